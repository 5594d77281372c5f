-- On first use of: future future_class await_all await_any
-- Futures: a command's outcome that a script may poll, select on, await or cancel.
return function(K)
  local raw = K.raw
  local Future
  local methods = {}

  local function payload_of(p)
    return K.payload_class.new({ encoding = p.payload[1], bytes = p.payload[2], format = K.payload_formats.JSON })
  end

  function methods:channel()
    local state = Future.self(self, "channel")
    if not state.channel then
      local p = state.pending
      state.channel = K.channel.new(1)
      K.on_done(p, function(_, err)
        K.channel.offer(state.channel, err or payload_of(p))
        K.channel.close(state.channel)
      end)
    end
    return state.channel
  end
  methods.response = methods.channel

  function methods:is_complete() return Future.self(self, "is_complete").pending.done end
  function methods:is_canceled()
    local p = Future.self(self, "is_canceled").pending
    return p.canceled or p.done and not p.ok and K.errors.is(p.err, K.kinds.CANCELED) or false
  end

  function methods:result()
    local p = Future.self(self, "result").pending
    if not p.done then return nil, nil end
    if p.ok then return payload_of(p) end
    return nil, p.err
  end

  function methods:error()
    local p = Future.self(self, "error").pending
    if p.done and not p.ok then return p.err, true end
    return nil, false
  end

  function methods:cancel()
    K.cancel(Future.self(self, "cancel").pending)
    return true
  end

  function methods:await() return K.await(Future.self(self, "await").pending) end

  Future = K.class("future", methods, {})
  K.future_class = Future

  function K.future(p) return Future.new({ pending = p }) end

  local function pendings(futures, fname)
    K.check(futures, 1, fname, "table")
    local list = {}
    for i = 1, #futures do
      local state = Future.state(futures[i])
      if not state then
        K.misuse("bad argument #1 to '%s' (an array of futures expected, got %s at %d)", fname,
          K.class_name(futures[i]) or K.type(futures[i]), i)
      end
      list[i] = state.pending
    end
    return list
  end

  -- Waits for every future: results by position, and the error of the first (by position) that failed.
  function K.await_all(futures)
    local list, results, first = pendings(futures, "all"), {}, nil
    for i = 1, #list do
      local value, err = K.await(list[i])
      results[i] = value
      if err and not first then first = err end
    end
    return results, first
  end

  -- Waits for the first future that is over: its position, value and error.
  function K.await_any(futures)
    local list = pendings(futures, "any")
    if #list == 0 then K.misuse("bad argument #1 to 'any' (no futures)") end
    local function over()
      for i = 1, #list do
        if list[i].done then return i end
      end
    end
    local index = over()
    if not index then
      K.must_be_able_to_wait()
      local task, served = K.current, false
      for i = 1, #list do
        K.on_done(list[i], function()
          if not served then
            served = true
            K.wake(task)
          end
        end)
      end
      K.park({ what = "any" })
      index = over()
    end
    local p = list[index]
    if p.ok then return index, p.value end
    return index, nil, K.arrived(p.err)
  end
end, "lasts"
