-- The kernel's entry point: takes one event at a time and lets every task run until all wait before the next, so what a program
-- does never depends on how its events were batched. What is not needed for each run is in `events`, `ending` and `asking`.
return function(K)
  local raw = K.raw
  local type, rawget = raw.type, raw.rawget
  local limits, host = K.limits, K.host_function
  local concat, gmatch, pack, unpack = raw.table.concat, raw.string.gmatch, raw.table.pack, raw.table.unpack

  -- What `flags` of a step say.
  local MORE, REPLAYING, HURRIED = 1, 2, 4

  local main_task, final
  local early, started -- events that came before `start`; whether that came
  K.anew(function() main_task, final, early, started = nil, nil, {}, false end)

  -- The answer (runtime/lua/protocol.py): state, header, bytes of the values -------------------------------------------

  local function write(answer)
    local take_commands, take_blobs = rawget(K, "take_commands"), rawget(K, "take_blobs")
    local commands, blobs = take_commands and take_commands(), take_blobs and take_blobs()
    local fields, n, parts = {}, 0, nil
    if commands and #commands > 0 then
      n = 1
      fields[1] = '"commands":[' .. concat(commands, ",") .. "]"
    end
    if blobs and #blobs > 0 then
      local lengths = {}
      parts = {}
      for i = 1, #blobs do
        local encoding, bytes = blobs[i][1], blobs[i][2]
        lengths[i] = encoding == "json/plain" and #bytes or '["' .. encoding .. '",' .. #bytes .. "]"
        parts[i] = bytes
      end
      n = n + 1
      fields[n] = '"b":[' .. concat(lengths, ",") .. "]"
    end
    if answer.head then
      n = n + 1
      fields[n] = answer.head
    end
    if n == 0 then return answer.state end
    local header = "{" .. concat(fields, ",") .. "}"
    if not parts then return answer.state, header end
    return answer.state, header, #parts == 1 and parts[1] or concat(parts)
  end

  -- Programs -----------------------------------------------------------------------------------------------------------

  -- What every file has. It lasts, as its modules do.
  local always = {
    print = function(...) return K.use("modules/print")(...) end,
    process = K.library("process", "modules/process"), os = K.library("os", "modules/os"),
    -- These are the kernel's own, and have no file among the modules'.
    channel = K.library("channel", function() return K.channel_module end),
    errors = K.library("errors", function() return K.errors end),
    payload = K.library("payload", function() return K.payload end),
  }
  local modules

  -- Exports are read-only, and made when the first of them is used; a logger, which is no table, is made at once.
  local function module(name)
    local view = always[name] or modules[name]
    if not view then
      local file = "modules/" .. name
      view = name == "logger" and K.use(file) or K.library(name, file)
      modules[name] = view
    end
    return view
  end

  local loading_libraries, libraries
  local nothing, joined -- for the environment of a file that runs for nobody; the files of the program
  local function no_environment() return nothing end
  K.anew(function()
    for i = 1, joined and #joined or 0 do raw.upvaluejoin(joined[i], 1, no_environment, 1) end
    modules, loading_libraries, libraries, joined = {}, {}, {}, {}
  end)
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

  local function subscribe(...)
    K.use("modules/process")
    return K.subscribe(...)
  end
  local function unsubscribe(...)
    K.use("modules/process")
    return K.unsubscribe(...)
  end

  -- Runs an entry's file in an environment of its own and gives what it returns, and the file's name.
  function run_file(id)
    local ok, name, digest, listed, imported
    if id == K.boot.entry and K.unit then
      ok, name, digest, listed, imported = unpack(K.unit)
      K.unit = false
    else
      ok, name, digest, listed, imported = host("unit", id)
    end
    if not ok then raw.error("evermoon: no source for " .. id, 0) end
    local env = K.new_env()
    env.process, env.channel, env.errors = always.process, always.channel, always.errors
    env.payload, env.os, env.print = always.payload, always.os, always.print
    env.subscribe, env.unsubscribe = subscribe, unsubscribe
    local own, imports = {}, {}
    function env.require(wanted)
      K.check(wanted, 1, "require", "string")
      local target = imports[wanted]
      if target then return library(target) end
      if own[wanted] or always[wanted] then return module(wanted) end
      if K.globals[wanted] then return K.globals[wanted] end
      K.misuse("module '%s' is not listed in modules: or imports: of %s", wanted, id)
    end
    for wanted in gmatch(listed, "[^\n]+") do
      own[wanted] = true
      env[wanted] = module(wanted)
    end
    for alias, target in gmatch(imported, "([^\n]+)\n([^\n]+)") do imports[alias] = target end
    for alias, target in gmatch(imported, "([^\n]+)\n([^\n]+)") do env[alias] = library(target) end
    -- The file's function lasts, and gets an environment that is this program's alone, as do the functions that it makes.
    local chunk = K.files[digest]
    raw.upvaluejoin(chunk, 1, function() return env end, 1)
    joined[#joined + 1] = chunk
    return (chunk()), name
  end

  local function entry_point()
    K.loading = true
    local value, name = run_file(K.boot.entry)
    K.loading = false
    if type(value) == "function" then return value end
    local fn
    if type(value) == "table" then fn = value[K.boot.method] end
    if type(fn) ~= "function" then K.no_entry_point(name, value) end
    return fn
  end

  -- Stepping -----------------------------------------------------------------------------------------------------------

  -- What a function returned; a future that it returned is waited for, since nobody is left who could.
  function K.settled(value, problem)
    if problem == nil and type(value) == "table" and K.class_name(value) == "future" then
      return K.await(K.future_class.state(value).pending)
    end
    return value, problem
  end

  local apply = {}

  -- Arguments are `encoding, bytes` each.
  function apply.start(...)
    started = true
    K.started_at = K.time
    local flat, args = { ... }, {}
    local n = #flat // 2
    for i = 1, n do args[i] = K.argument(i, flat[2 * i - 1], flat[2 * i]) end
    main_task = K.spawn_task(function() return K.settled(entry_point()(unpack(args, 1, n))) end)
  end

  local function finished(value, problem)
    if problem == nil then
      -- The encoder is not loaded for what it is not needed for.
      if value == nil then return { state = "done" } end
      if raw.math.type(value) == "integer" or type(value) == "boolean" then
        return { state = "done", head = '"plain":"' .. raw.tostring(value) .. '"' }
      end
    end
    return K.finished(value, problem)
  end

  -- After every coroutine waits, those in `workflow.wait` look again, until none of them goes on.
  local function run()
    while true do
      local how, a, b = K.run(main_task)
      if how == "done" then return finished(a, b) end
      if how == "spent" then return K.spent() end
      if how == "failed" then return K.failed(a) end
      if how == "continue" then return { state = "continue" } end
      -- Asked of a name that is there from the beginning: this is counted, and whether a query has loaded what wakes them is not to count.
      if not (K.watching and K.wake_watchers()) then return nil end
    end
  end

  local function apply_and_run(kind, ...)
    local take_in = apply[kind] or K.apply[kind]
    take_in(...)
    return run()
  end

  local function take(kind, hurried, ...)
    limits.begin(hurried)
    K.changed = true
    local ok, answer = limits.sheltered(apply_and_run, kind, ...)
    if limits.spent then return K.spent() end
    if not ok then return K.failed_safely(answer) end
    return answer
  end

  local function take_early()
    local events = early
    early = {}
    for i = 1, #events do
      if not final then final = take(unpack(events[i], 1, events[i].n)) end
    end
  end

  -- Whether it waits for what never comes. Nothing of the script runs for this.
  local function is_stuck()
    local has_pending = rawget(K, "has_pending") -- nil while nothing was ever asked for
    return not (has_pending and has_pending()) and not K.can_be_woken() and not K.updates_wanted
  end

  -- A process may wait for days, and there may be ten thousand: what its beginning left behind is not kept, and later
  -- garbage is not let grow to as much again as what is in use.
  local settled
  K.anew(function() settled = false end)
  local function settle()
    settled = true
    if K.boot.class == "process" then
      K.collect("collect")
      K.collect("incremental", 125)
    else
      K.tidy()
    end
  end

  local RUNNING = { state = "running" }

  local function step(kind, now, flags, ...)
    K.time = now
    limits.instructions = flags & REPLAYING ~= 0 and K.budget * 2 or K.budget
    if final then
      -- A message that came after the last read goes on to the next run.
      if final.state == "continue" and kind == "message" then K.apply.message(...) end
    elseif kind == "start" then
      final = take(kind, flags & HURRIED ~= 0, ...)
      take_early()
    elseif not started and kind ~= "nothing" then
      early[#early + 1] = pack(kind, flags & HURRIED ~= 0, ...)
    elseif kind ~= "nothing" then
      final = take(kind, flags & HURRIED ~= 0, ...)
    end
    if flags & MORE ~= 0 then return nil end
    if not final and started and is_stuck() then final = K.deadlock() end
    if final then
      if final.state == "continue" then final = K.continue_answer() end
      if limits.spent and rawget(K, "drop_commands") then K.drop_commands() end
      K.drop_tasks()
      return write(final)
    end
    if not settled then settle() end
    return write(RUNNING)
  end

  -- A question that ran out of memory did not return: nothing of it may be left for the steps that follow, since a replay
  -- is not asked it.
  local returned
  K.anew(function() returned = true end)
  local function leave(...)
    returned = true
    return ...
  end
  return function(kind, now, flags, ...)
    if not returned then
      limits.recover()
      local forget_question = rawget(K, "forget_question")
      if forget_question then forget_question() end
      local take_blobs = rawget(K, "take_blobs")
      if take_blobs then take_blobs() end
    end
    returned = false
    if kind == "query" or kind == "validate" then
      K.time = now
      return leave(write(K.ask(kind, ...)))
    end
    return leave(step(kind, now, flags, ...))
  end
end, "lasts"
