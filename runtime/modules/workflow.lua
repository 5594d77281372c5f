-- workflow: what only a run on Temporal has. Outside a workflow every call answers INVALID.
return function(K)
  local kinds = K.kinds
  local workflow = {}

  -- What the host knows of the run's history at this step.
  local function info_of(name)
    local _, value = K.host_function("clock", name)
    return value
  end

  function workflow.info()
    local info = {}
    for key, value in pairs(K.boot.info) do info[key] = value end
    info.history_length, info.history_size = info_of("history_length"), info_of("history_size")
    return info
  end
  function workflow.history_length() return info_of("history_length") end
  function workflow.history_size() return info_of("history_size") end
  function workflow.continue_as_new_suggested() return info_of("continue_as_new_suggested") end

  function workflow.exec(id, ...)
    local p, err = K.launch_process("exec", "workflow.exec", {}, nil, id, nil, ...)
    if not p then return nil, err end
    return K.await(p)
  end

  local pinned = {} -- change id -> the version this run is on
  function workflow.version(change_id, min, max)
    K.check(change_id, 1, "version", "string")
    K.check(min, 2, "version", "integer")
    K.check(max, 3, "version", "integer")
    if change_id == "" then return K.invalid("the change id is empty") end
    if max < min then return K.invalid("version '%s': max %d is below min %d", change_id, max, min) end
    K.changes("workflow.version")
    local known = pinned[change_id]
    if known == nil then
      local version, err = K.host("workflow.version", change_id, min, max)
      if err then return nil, err end
      pinned[change_id] = version
      return version
    end
    if known < min or known > max then
      return K.invalid("this run is on version %d of \"%s\", the code supports %d to %d", known, change_id, min, max)
    end
    return known
  end
  function workflow.patched(id)
    K.check(id, 1, "patched", "string")
    K.changes("workflow.patched")
    if id == "" then return K.invalid("the patch id is empty") end
    return K.host("workflow.patched", id)
  end
  function workflow.deprecate_patch(id)
    K.check(id, 1, "deprecate_patch", "string")
    K.changes("workflow.deprecate_patch")
    if id == "" then return K.invalid("the patch id is empty") end
    return K.host("workflow.deprecate_patch", id)
  end

  local unset = K.class("workflow.unset", {}, { __tostring = function() return "workflow.unset" end },
    function() return K.null end).new({})
  workflow.unset = unset

  local function attributes(t, what)
    if t == nil then return nil end
    if K.type(t) ~= "table" then
      K.misuse("bad argument #1 to 'attrs' (%s: table expected, got %s)", what, K.type(t))
    end
    local out = {}
    for name, value in pairs(t) do
      if type(name) ~= "string" then return K.invalid("%s: names are strings, not %s", what, K.type(name)) end
      out[#out + 1] = { name = name, unset = value == unset or nil, value_json = nil }
      if value ~= unset then
        local class = K.class_of(value)
        local text, problem = K.json_encode(value)
        if not text then return K.invalid("%s.%s: %s", what, name, problem) end
        out[#out].json = text
        out[#out].time = class ~= nil and class.name == "Time" or nil
      end
    end
    return out
  end

  function workflow.attrs(t)
    K.check(t, 1, "attrs", "table")
    for key in pairs(t) do
      if key ~= "search" and key ~= "memo" then return K.invalid("attrs: unknown key '%s' (search, memo)", tostring(key)) end
    end
    local search, err = attributes(t.search, "search")
    if err then return nil, err end
    local memo
    memo, err = attributes(t.memo, "memo")
    if err then return nil, err end
    return K.request("attrs", { search = search or {}, memo = memo or {} })
  end

  function workflow.query(name, fn)
    K.check(name, 1, "query", "string")
    K.check(fn, 2, "query", "function")
    if name == "" then return K.invalid("the query name is empty") end
    K.changes("workflow.query")
    if string.sub(name, 1, 2) == "__" then return K.invalid("query '%s': names that begin with '__' are reserved", name) end
    K.register_query(name, fn)
    K.emit({ op = "handler", what = "query", name = name })
    return true
  end

  function workflow.update(name, fn, validator)
    K.check(name, 1, "update", "string")
    K.check(fn, 2, "update", "function")
    K.check(validator, 3, "update", "function", true)
    if name == "" then return K.invalid("the update name is empty") end
    K.changes("workflow.update")
    K.register_update(name, fn, validator)
    K.emit({ op = "handler", what = "update", name = name })
    return true
  end

  function workflow.wait(fn, timeout)
    K.check(fn, 1, "wait", "function")
    K.must_be_able_to_wait()
    local timer, watcher
    local out_of_time = false
    if timeout ~= nil then
      K.check_duration(timeout, 2, "wait")
      local ns, problem = K.parse_duration(timeout)
      if not ns then return K.invalid(problem) end
      if ns <= 0 then return fn() and true or false end
      if fn() then return true end
      timer = K.command("timer", { ns = ns })
      K.on_done(timer, function()
        out_of_time = true
        if watcher and not watcher.served then
          watcher.served = true
          K.wake(watcher.task, "timeout")
        end
      end)
    end
    while not fn() do
      if K.is_cancelled_here() then return nil, K.canceled() end
      if out_of_time then return false end
      watcher = { task = K.current, served = false }
      K.watch(watcher)
      local mine = watcher
      K.park({ what = "wait", cancel = function(task)
        mine.served = true
        K.wake(task, "canceled")
      end })
      watcher.served = true
    end
    K.changed = true
    if timer and not timer.done then K.cancel(timer) end
    return true
  end

  function workflow.detached(fn)
    K.check(fn, 1, "detached", "function")
    return K.detached(fn)
  end

  function workflow.status(value)
    local encoding, bytes = K.encode(value)
    if not encoding then return K.invalid("status: %s", bytes) end
    K.changes("status")
    K.status_value = K.decode(encoding, bytes)
    K.emit({ op = "status", value = K.blob(encoding, bytes) })
    return true
  end

  -- To those who follow the run, beside its history.
  local MAX_NAME, MAX_DATA = 128, 64 * 1024
  function workflow.publish(name, data)
    K.check(name, 1, "publish", "string")
    K.changes("publish")
    if name == "" or #name > MAX_NAME then return K.invalid("the name of a stream is 1 to %d bytes long", MAX_NAME) end
    local encoding, bytes = K.encode(data)
    if not encoding then return K.invalid("publish: %s", bytes) end
    if encoding ~= "json/plain" and encoding ~= "binary/null" then
      return K.invalid("what is published has a JSON form: bytes have none, encode them (base64)")
    end
    if #bytes > MAX_DATA then
      return K.invalid("what is published has at most %d bytes, and this has %d: publish it in parts", MAX_DATA, #bytes)
    end
    K.emit({ op = "publish", name = name, value = K.blob(encoding, bytes) })
    return true
  end

  if K.boot.class ~= "workflow" then
    for name, fn in pairs(workflow) do
      if type(fn) == "function" then
        workflow[name] = function()
          return nil, K.refusal({ kind = kinds.INVALID, retryable = false,
            message = "workflow." .. name .. " works only inside a workflow" })
        end
      end
    end
  end
  return workflow
end
