-- On first use of: register_query answer_query register_update validate_update finish_update start_update reply_update watch wake_watchers continue_answer
-- What others ask of a run and what it waits to become true: queries, updates, `workflow.wait`, continue-as-new.
return function(K)
  local raw = K.raw
  local ipairs = raw.ipairs
  local kinds = K.kinds

  local queries, updates, watchers
  local open_updates -- pid of an update that is answered by messages -> id
  K.anew(function() queries, updates, watchers, open_updates = {}, {}, {}, {} end)

  -- Queries.
  local builtin = {
    __lua_stack = function(more) return K.stacks(nil, more == "locals") end,
    __status = function() return raw.rawget(K, "status_value") end,
    __inbox = function()
      local topics = {}
      for i, item in ipairs(K.unread()) do topics[i] = item.topic end
      return topics
    end,
  }
  function K.register_query(name, fn) queries[name] = fn end
  function K.answer_query(name, ...)
    local fn = queries[name] or builtin[name]
    if not fn then
      local names = {}
      for known in K.pairs(queries) do names[#names + 1] = known end
      local others = #names > 0 and "known: " .. raw.table.concat(names, ", ") or "this run has registered none"
      others = others .. K.did_you_mean(name, names)
      return nil, K.error({ kind = kinds.NOT_FOUND, retryable = false,
        message = "unknown query '" .. name .. "'; " .. others })
    end
    return fn(...)
  end

  -- Updates.
  function K.register_update(name, fn, validator) 
    updates[name] = { fn = fn, validator = validator }
    K.updates_wanted = true -- somebody outside can still wake this run
  end

  function K.validate_update(name, ...)
    local update = updates[name]
    if not update then
      if K.listens_with_messages(name) then return nil end
      local names = {}
      for known in K.pairs(updates) do names[#names + 1] = known end
      return nil, K.error({ kind = kinds.NOT_FOUND, retryable = false,
        message = "unknown update '" .. name .. "'" .. K.did_you_mean(name, names) })
    end
    if update.validator then
      local ok, err = update.validator(...)
      if err ~= nil then return nil, K.error_from_return(err) end
      if ok == false then
        return nil, K.error({ kind = kinds.INVALID, message = "update '" .. name .. "' was rejected", retryable = false })
      end
    end
    return nil
  end

  function K.finish_update(id, value, err)
    if err then
      K.emit({ op = "update_done", id = id, error = K.error_to_wire(err) })
      return
    end
    local encoding, bytes = K.encode(value)
    if not encoding then
      K.finish_update_error(id, bytes)
    else
      K.emit({ op = "update_done", id = id, value = K.blob(encoding, bytes) })
    end
  end
  function K.finish_update_error(id, message)
    local err = K.error({ kind = kinds.INVALID, message = "update result: " .. message, retryable = false })
    K.emit({ op = "update_done", id = id, error = K.error_to_wire(err) })
  end

  function K.start_update(id, name, args)
    local update = updates[name]
    if not update then
      local pid = "{@update|" .. id .. "}"
      open_updates[pid] = id
      K.deliver({ topic = name, from = pid, args = args, at = K.now() })
      return
    end
    local values = {}
    for i = 1, #args do values[i] = K.decode(args[i][1], args[i][2]) end
    K.spawn_task(function()
      local ok, value, problem = K.limits.guard(raw.pcall(function()
        return K.settled(update.fn(raw.table.unpack(values, 1, #args)))
      end))
      if not ok then
        K.finish_update(id, nil, K.error_from_raise(value, {}))
      else
        K.finish_update(id, value, K.error_from_return(problem))
      end
    end)
  end

  -- A reply to an update that is answered by messages: true when `dest` is one.
  function K.reply_update(dest, topic, value)
    local id = open_updates[dest]
    if not id then return false end
    if topic == "ack" then
      K.emit({ op = "update_accepted", id = id })
    elseif topic == "ok" then
      open_updates[dest] = nil
      K.finish_update(id, value)
    elseif topic == "error" or topic == "nak" then
      open_updates[dest] = nil
      local err = K.error_from_return(value)
        or K.error({ kind = kinds.INVALID, message = "update was refused", retryable = false })
      K.finish_update(id, nil, err)
    else
      return nil, K.refusal({ kind = kinds.INVALID, retryable = false,
        message = "an update is answered with ack, nak, ok or error, not '" .. topic .. "'" })
    end
    return true
  end

  -- workflow.wait: tasks that look again whenever everything else waits.
  function K.watch(task)
    K.watching = true
    watchers[#watchers + 1] = task
  end
  function K.wake_watchers()
    if #watchers == 0 or not K.changed then return false end
    K.changed = false
    local list = watchers
    watchers = {}
    for _, w in ipairs(list) do
      if not w.served then K.wake(w.task, "look") end
    end
    return true
  end

  -- Continue-as-new carries what nobody has read.
  function K.continue_answer()
    local answer = K.continuation
    local messages = {}
    for _, item in ipairs(K.unread()) do
      if not open_updates[item.from] then -- an update ends with the run it was sent to
        local args = {}
        for j, blob in ipairs(item.args) do args[j] = K.blob(blob[1], blob[2]) end
        messages[#messages + 1] = { topic = item.topic, from = item.from or "", args = args, at = item.at or 0 }
      end
    end
    answer.messages = messages
    for i, event in ipairs(K.unread_events()) do
      answer.events = answer.events or {}
      local item = { kind = event.kind, from = event.from, at = event.at, reason = event.reason }
      if event.result.error then
        item.error = K.error_to_wire(event.result.error)
      elseif event.kind ~= "pid.cancel" then
        item.value = K.blob(K.encode(event.result.value))
      end
      answer.events[i] = item
    end
    return K.ended("continue", { ["continue"] = answer })
  end
end, "lasts"
