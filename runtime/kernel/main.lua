-- The kernel's entry points: boot a program, step it, ask it. Events are taken one at a time and every task runs until all
-- wait before the next, so what a program does never depends on how its events were batched.
return function(K)
  local raw = K.raw
  local type, ipairs = raw.type, raw.ipairs
  local kinds, limits = K.kinds, K.limits
  local find, sub, concat = raw.string.find, raw.string.sub, raw.table.concat

  local main_task, final
  local waiting_events = {} -- events that came before `start`
  local started = false

  -- Frames (runtime/lua/protocol.py) ---------------------------------------------------------------------------------

  local frame_blobs

  local function read(frame)
    local at = find(frame, "\n", 1, true)
    local header, problem = K.json_value(sub(frame, 1, at - 1))
    if problem then raw.error("evermoon: broken frame: " .. problem, 0) end
    frame_blobs = {}
    local offset = at + 1
    for i, blob in ipairs(header.b) do
      frame_blobs[i - 1] = { blob[1], sub(frame, offset, offset + blob[2] - 1) }
      offset = offset + blob[2]
    end
    return header
  end

  function K.event_blob(index)
    local blob = frame_blobs[index]
    return blob[1], blob[2]
  end

  local function blobs_of_event(indexes)
    local list = {}
    for i, index in ipairs(indexes or {}) do list[i] = frame_blobs[index] end
    return list
  end

  local function write(answer)
    local commands = K.take_commands()
    local blobs = K.take_blobs()
    local lengths, parts = {}, {}
    for i, blob in ipairs(blobs) do
      lengths[i] = { blob[1], #blob[2] }
      parts[i] = blob[2]
    end
    answer.b = lengths
    local head, problem = K.json_text(answer)
    if not head then raw.error("evermoon: broken answer: " .. problem, 0) end
    return sub(head, 1, -2) .. ',"commands":[' .. concat(commands, ",") .. "]}\n" .. concat(parts)
  end

  -- Programs -----------------------------------------------------------------------------------------------------------

  local ALWAYS = { "process", "channel", "errors", "payload", "os", "print" }
  local modules = {}

  -- Exports are read-only, and made when the first of them is used; a logger, which is no table, is made at once.
  modules.print = function(...) return K.use("modules/print")(...) end
  local function module(name)
    local view = modules[name]
    if not view then
      local function load() return K.use("modules/" .. name) end
      view = name == "logger" and load() or K.library(name, load)
      modules[name] = view
    end
    return view
  end

  local loading_libraries, libraries = {}, {}
  local run_file

  local function library(id)
    if libraries[id] ~= nil then return libraries[id].value end
    if loading_libraries[id] then K.misuse("library %s imports itself", id) end
    loading_libraries[id] = true
    local was = K.loading
    K.loading = true
    local value = run_file(id)
    K.loading = was
    loading_libraries[id] = nil
    libraries[id] = { value = value }
    return value
  end

  -- Runs an entry's file in an environment of its own and gives what it returns.
  function run_file(id)
    local unit = K.boot.units[id]
    local env = K.new_env()
    for _, name in ipairs(ALWAYS) do env[name] = module(name) end
    for _, name in ipairs({ "subscribe", "unsubscribe" }) do
      env[name] = function(...)
        K.use("modules/process")
        return K[name](...)
      end
    end
    local function require(name)
      K.check(name, 1, "require", "string")
      local target = unit.imports[name]
      if target then return library(target) end
      for _, listed in ipairs(unit.modules) do
        if listed == name then return module(name) end
      end
      for _, listed in ipairs(ALWAYS) do
        if listed == name then return module(name) end
      end
      if K.globals[name] then return K.globals[name] end
      K.misuse("module '%s' is not listed in modules: or imports: of %s", name, id)
    end
    env.require = require
    for _, name in ipairs(unit.modules) do env[name] = module(name) end
    for alias, target in K.pairs(unit.imports) do env[alias] = library(target) end
    local ok, code = K.host_function("source", id)
    if not ok then raw.error("evermoon: no source for " .. id, 0) end
    local chunk, problem = raw.load(code, "@" .. unit.name, "b", env)
    if not chunk then raw.error(problem, 0) end
    return (chunk())
  end

  local function entry_point()
    K.loading = true
    local value = run_file(K.boot.entry)
    K.loading = false
    if type(value) == "function" then return value end
    local method = K.boot.method or "main"
    local fn
    if type(value) == "table" then fn = value[method] end
    if type(fn) ~= "function" then
      raw.error(K.error({ kind = kinds.INVALID, retryable = false, message =
        K.boot.units[K.boot.entry].name .. " must return a function or a table with a function '" .. method .. "', not "
        .. (value == nil and "nothing" or "a " .. K.type(value)) }), 0)
    end
    return fn
  end

  -- Events -------------------------------------------------------------------------------------------------------------

  local apply = {}

  function apply.start(event)
    started = true
    K.started_at()
    local args = blobs_of_event(event.args)
    local values, n = {}, #args
    for i = 1, n do
      local value, problem = K.decode(args[i][1], args[i][2])
      if problem then
        raw.error(K.error({ kind = kinds.INVALID, message = "argument " .. i .. ": " .. problem, retryable = false }), 0)
      end
      values[i] = value
    end
    main_task = K.spawn_task(function() return entry_point()(raw.table.unpack(values, 1, n)) end)
  end

  function apply.result(event) K.apply_result(event) end

  function apply.message(event)
    K.deliver({ topic = event.topic, from = event.from, args = blobs_of_event(event.args), at = event.at })
  end

  function apply.process(event)
    local result
    if event.value then
      local encoding, bytes = K.event_blob(event.value)
      result = { value = K.decode(encoding, bytes) }
    end
    local err = event.error and K.error_from_wire(event.error)
    if err then result = { error = err } end
    if event.kind == "pid.link.down" and not (K.process_options and K.process_options.trap_links) then
      raw.error(err or K.error({ kind = kinds.INTERNAL, message = "linked process " .. event.from .. " ended" }), 0)
    end
    K.deliver_process_event({ kind = event.kind, from = event.from, at = event.at, result = result or {} })
  end

  function apply.cancel(event)
    local state = K.cancellation
    local signal = { kind = "pid.cancel", from = event.from or "", at = K.now(), reason = event.reason, result = {} }
    if K.events_wanted or (K.process_options and K.process_options.trap_cancel) then
      state.trapped = true
      K.deliver_process_event(signal)
    elseif not state.cancelled then
      state.reason = event.reason
      K.cancel_all()
    end
  end

  function apply.update(event) K.start_update(event.id, event.name, blobs_of_event(event.args)) end

  -- Stepping -----------------------------------------------------------------------------------------------------------

  local function failed(err, frames)
    return { state = "failed", error = K.error_to_wire(K.error_from_raise(err, frames or {})) }
  end

  local function spent()
    local limit, at = limits.spent, limits.at and " at " .. K.plain(limits.at) or ""
    local message
    if limit == "time" or limit == "commands" then
      message = limit .. " limit of a step spent" .. at .. ": do less between two waits"
    else
      message = ("%s of %s spent%s: raise limits.%s of %s, or do less between two waits"):format(
        limit == "memory" and "memory limit" or "instruction budget",
        tostring(K.boot.limits[limit]), at, limit, K.boot.entry)
    end
    return { state = "failed", spent = limit, error = {
      kind = kinds.LIMIT_EXCEEDED, message = message, retryable = false, details = { limit = limit },
    } }
  end

  local function finished(value, problem)
    local err = K.error_from_return(problem)
    if err then return failed(err) end
    local encoding, bytes = K.encode(value)
    if not encoding then
      return failed(K.error({ kind = kinds.INVALID, message = "result: " .. bytes, retryable = false, stack = {} }))
    end
    return { state = "done", value = K.blob(encoding, bytes) }
  end

  local DEADLOCK_STACKS = 50 -- a message is for reading
  local function deadlock()
    local lines = {}
    for i, stack in ipairs(K.stacks(DEADLOCK_STACKS)) do
      lines[i] = "coroutine " .. stack.coroutine .. " (" .. stack.waiting_for .. "): " .. concat(stack.frames, " < ")
    end
    return failed(K.error({ kind = kinds.INTERNAL, retryable = false, stack = {},
      message = "all coroutines are blocked and nothing outside can wake them\n" .. concat(lines, "\n") }))
  end

  -- After every coroutine waits, those in `workflow.wait` look again, until none of them goes on.
  local function run()
    while true do
      local how, a, b = K.run(main_task)
      if how == "spent" then return spent() end
      if how == "failed" then return failed(a) end
      if how == "done" then return finished(a, b) end
      if how == "continue" then return { state = "continue" } end
      local wake_watchers = raw.rawget(K, "wake_watchers") -- nil while nothing watches
      if not (wake_watchers and wake_watchers()) then return nil end
    end
  end

  -- What a script left behind is asked for its text with the budget on.
  local function failed_safely(err, frames)
    local ok, answer = limits.sheltered(failed, err, frames)
    if ok and not limits.spent then return answer end
    if limits.spent then return spent() end
    return { state = "failed", error = { kind = kinds.INTERNAL, message = "an error that has no text", retryable = false } }
  end

  local function stuck() return not K.has_pending() and not K.can_be_woken() and not K.updates_wanted end

  local function take(event)
    limits.begin()
    K.changed = true
    local ok, answer = limits.sheltered(apply[event.t], event)
    if ok and not limits.spent then ok, answer = limits.sheltered(run) end
    if limits.spent then return spent() end
    if not ok then return failed_safely(answer) end
    return answer
  end

  -- A process may wait for days, and there may be ten thousand: what its beginning left behind is not kept, and later
  -- garbage is not let grow to as much again as what is in use.
  local settled = false
  local function settle()
    settled = true
    if K.boot.class == "process" then
      K.collect("collect")
      K.collect("incremental", 125)
    end
  end

  local function step(frame)
    local header = read(frame)
    K.clock = header
    limits.instructions = K.boot.limits.instructions * (header.replaying and 2 or 1)
    for _, event in ipairs(header.events) do
      if final then
        -- A message that came after the last read goes on to the next run.
        if final.state == "continue" and event.t == "message" then apply.message(event) end
      elseif not started and event.t ~= "start" then
        waiting_events[#waiting_events + 1] = event
      else
        final = take(event)
      end
      if event.t == "start" then
        for _, early in ipairs(waiting_events) do
          if not final then final = take(early) end
        end
        waiting_events = {}
      end
    end
    if not final and started then
      local ok, blocked = limits.sheltered(stuck)
      if limits.spent or not ok then final = limits.spent and spent() or failed_safely(blocked)
      elseif blocked then final = deadlock() end
    end
    if final then
      if final.state == "continue" then final = K.continue_answer() end
      if limits.spent then K.drop_commands() end
      K.drop_tasks()
      return write(final)
    end
    if not settled then settle() end
    return write({ state = "running" })
  end

  -- Asking: no commands, no waiting ------------------------------------------------------------------------------------

  local function ask(fn)
    limits.begin()
    K.readonly = true
    local thread = raw.coroutine.create(fn)
    limits.watch(thread)
    local ok, value, problem = raw.coroutine.resume(thread)
    local answer
    if not ok and value == "not enough memory" then
      limits.spend("memory")
    elseif ok and not limits.spent then
      ok, answer = limits.sheltered(finished, value, problem)
      if not ok then value = answer end
    end
    if not ok and not limits.spent then
      answer = failed_safely(value, K.frames(thread))
    end
    K.readonly = false
    if limits.spent then
      answer = spent()
      limits.spent = nil
    end
    return answer
  end

  local function query(frame)
    local header = read(frame)
    K.clock = header
    local args = {}
    for i, blob in ipairs(blobs_of_event(header.args)) do args[i] = K.decode(blob[1], blob[2]) end
    return write(ask(function() return K.answer_query(header.name, raw.table.unpack(args, 1, #header.args)) end))
  end

  local function validate(frame)
    local header = read(frame)
    K.clock = header
    local args = {}
    for i, blob in ipairs(blobs_of_event(header.args)) do args[i] = K.decode(blob[1], blob[2]) end
    return write(ask(function() return K.validate_update(header.name, raw.table.unpack(args, 1, #header.args)) end))
  end

  local function boot(frame)
    K.boot = read(frame)
    if K.boot.protocol ~= 1 then raw.error("evermoon: the host speaks protocol " .. tostring(K.boot.protocol) .. ", this kernel 1", 0) end
    K.context = K.boot.ctx or {}
    raw.math.randomseed(K.boot.seed)
    limits.instructions = K.boot.limits.instructions
    K.use("kernel/surface")
    return true
  end

  local entry = { boot = boot, step = step, query = query, validate = validate }
  -- A question that ran out of memory did not return: nothing of it may be left for the steps that follow, since a replay
  -- is not asked it.
  local returned = true
  return function(name, frame)
    if not returned then
      limits.recover()
      K.readonly = false
      K.take_blobs()
    end
    returned = false
    local answer = entry[name](frame)
    returned = true
    return answer
  end
end
