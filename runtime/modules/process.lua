-- On first use of: launch_process subscribe unsubscribe
-- process: who I am, messages, events, and starting others.
return function(K)
  local kinds = K.kinds
  local launching = K.use("modules/launching")
  local process = {}
  local announced -- names that the host was told of
  K.anew(function()
    announced = {}
    K.process_options = { trap_links = false, trap_cancel = false }
  end)
  local function in_workflow() return K.boot.class == "workflow" end

  function process.pid() return K.pid() end
  function process.id() return K.boot.entry end

  process.event = K.freeze({ EXIT = "pid.exit", LINK_DOWN = "pid.link.down", CANCEL = "pid.cancel" }, "process.event")

  -- Messages -----------------------------------------------------------------------------------------------------------

  local CONTROLS = "[\0-\31\127]"
  local function check_topic(topic, n, fname)
    K.check(topic, n, fname, "string")
    if topic == "" then return K.invalid("the topic is empty") end
    if string.sub(topic, 1, 1) == "@" then return K.invalid("topic '%s': topics that begin with '@' are reserved", topic) end
    return true
  end

  local function not_found(dest)
    return nil, K.refusal({ kind = kinds.NOT_FOUND, message = "process not found: " .. dest, retryable = false })
  end

  local function check_dest(dest, fname)
    K.check(dest, 1, fname, "string")
    if dest == "" then return K.invalid("the destination is empty") end
    if in_workflow() and not string.find(dest, "^{[^|]+|.+}$") then return not_found(dest) end
    return true
  end

  -- One that is sent, too: what a foreign client sends under an odd topic can still be listened to.
  local function check_sent(topic, n, fname)
    local ok, err = check_topic(topic, n, fname)
    if not ok then return nil, err end
    if string.find(topic, CONTROLS) then return K.invalid("topic '%s' has a control character", (string.gsub(topic, CONTROLS, "?"))) end
    return true
  end

  function process.send(dest, topic, ...)
    local ok, err = check_dest(dest, "send")
    if not ok then return nil, err end
    if string.sub(dest, 1, 9) == "{@update|" then
      local replied
      replied, err = K.reply_update(dest, topic, (...))
      if replied or err then return replied, err end
      return not_found(dest) -- answered already, or not this run's
    end
    ok, err = check_sent(topic, 2, "send")
    if not ok then return nil, err end
    local args = table.pack(...)
    K.changes("send")
    if dest == K.pid() then
      local blobs = {}
      for i = 1, args.n do
        local encoding, bytes = K.encode(args[i])
        if not encoding then return K.invalid("argument %d: %s", i, bytes) end
        blobs[i] = { encoding, bytes }
      end
      K.deliver({ topic = topic, from = dest, args = blobs, at = K.now() })
      return true
    end
    local value
    value, err = K.request("send", { to = dest, topic = topic, args = args })
    if err then return nil, err end
    return value ~= false
  end

  function process.inbox() return K.inbox() end
  function process.events() return K.events() end

  -- Tells the host which names this run answers to, for lists shown to people.
  local function announce(topic, as_message)
    if not in_workflow() or K.readonly or announced[topic] then return end
    announced[topic] = true
    K.emit({ op = "handler", what = "signal", name = topic })
    if as_message then K.emit({ op = "handler", what = "update", name = topic }) end
  end

  function process.listen(topic, options)
    local ok, err = check_topic(topic, 1, "listen")
    if not ok then return nil, err end
    K.check(options, 2, "listen", "table", true)
    announce(topic, options and options.message)
    return K.listen(topic, options and options.message or false)
  end
  function process.unlisten(channel)
    if not K.channel.state(channel) then K.check(channel, 1, "unlisten", "channel") end
    return K.unlisten(channel)
  end

  -- Globals: listen and unlisten on a channel of one's own, which stays open.
  function K.subscribe(topic, channel)
    local ok, err = check_topic(topic, 1, "subscribe")
    if not ok then return nil, err end
    if not K.channel.state(channel) then K.check(channel, 2, "subscribe", "channel") end
    local listening = K.listen(topic, false, channel)
    if listening ~= channel then
      return nil, K.refusal({ kind = kinds.ALREADY_EXISTS, message = "another channel listens to '" .. topic .. "'", retryable = false })
    end
    return true
  end
  function K.unsubscribe(channel)
    if not K.channel.state(channel) then K.check(channel, 1, "unsubscribe", "channel") end
    return K.unlisten(channel)
  end

  function process.set_options(options)
    K.check(options, 1, "set_options", "table")
    K.changes("set_options")
    for _, key in ipairs({ "trap_links", "trap_cancel" }) do
      if options[key] ~= nil then
        if type(options[key]) ~= "boolean" then
          K.misuse("bad option '%s' to 'set_options' (boolean expected, got %s)", key, K.type(options[key]))
        end
        K.process_options[key] = options[key]
      end
    end
    return true
  end
  function process.get_options()
    return { trap_links = K.process_options.trap_links, trap_cancel = K.process_options.trap_cancel }
  end

  -- Starting -----------------------------------------------------------------------------------------------------------

  local function messages_of(list)
    if not list then return nil end
    local messages = {}
    for i = 1, #list do
      local args, err = K.blobs_of(list[i].args)
      if not args then return nil, err end
      messages[i] = { topic = list[i].topic, args = args }
    end
    return messages
  end

  -- The command that starts `id` on `host`; nil and an error when something in it is wrong.
  local function launch(op, fname, state, extra, id, host, ...)
    local ok, err = launching.check_id(id, 1, fname, "an entry")
    if not ok then return nil, err end
    K.check(host, 2, fname, "string", fname == "workflow.exec")
    if host == "" then return K.invalid("the host is empty") end
    local options
    options, err = launching.options("options.workflow", state.options)
    if not options then return nil, err end
    local messages
    messages, err = messages_of(state.messages)
    if err then return nil, err end
    local fields = launching.fields(state, id, options, ...)
    fields.host, fields.name, fields.messages = host, state.name, messages
    K.uuid() -- for nobody: without it, open runs that take the newest code would draw other random numbers from here on
    for key, value in pairs(extra or {}) do fields[key] = value end
    return K.command(op, fields)
  end
  K.launch_process = launch

  local SPAWNS = {
    spawn = {}, spawn_monitored = { monitor = true }, spawn_linked = { link = true },
    spawn_linked_monitored = { monitor = true, link = true },
  }

  local function start(op, fname, state, extra, ...)
    local p, err = launch(op, fname, state, extra, ...)
    if not p then return nil, err end
    return K.await(p)
  end

  local plain = {}
  for name, extra in pairs(SPAWNS) do
    process[name] = function(...) return start("spawn", name, plain, extra, ...) end
  end
  function process.exec(...) return start("exec", "exec", plain, nil, ...) end

  local Spawner
  local methods = {}
  local changed = launching.builder(methods, function() return Spawner end)
  function methods:with_options(t)
    local state = Spawner.self(self, "with_options")
    K.check(t, 1, "with_options", "table")
    return changed(state, { options = K.merged(state.options, K.copy(t)) })
  end
  function methods:with_name(name)
    local state = Spawner.self(self, "with_name")
    K.check(name, 1, "with_name", "string")
    if name == "" then return K.invalid("the name is empty") end
    if string.find(name, CONTROLS) then return K.invalid("the name has a control character") end
    return changed(state, { name = name })
  end
  function methods:with_message(topic, ...)
    local state = Spawner.self(self, "with_message")
    local ok, err = check_sent(topic, 1, "with_message")
    if not ok then return nil, err end
    local messages = {}
    for i, message in ipairs(state.messages or {}) do messages[i] = message end
    messages[#messages + 1] = { topic = topic, args = table.pack(...) }
    return changed(state, { messages = messages })
  end
  for name, extra in pairs(SPAWNS) do
    methods[name] = function(self, ...) return start("spawn", name, Spawner.self(self, name), extra, ...) end
  end
  function methods:exec(...) return start("exec", "exec", Spawner.self(self, "exec"), nil, ...) end
  Spawner = K.class("Spawner", methods, {})

  function process.with_options(t) return Spawner.new({}):with_options(t) end
  function process.with_context(t) return Spawner.new({}):with_context(t) end
  function process.with_name(name) return Spawner.new({}):with_name(name) end
  function process.with_message(...) return Spawner.new({}):with_message(...) end

  -- Others' lives ------------------------------------------------------------------------------------------------------

  function process.terminate(dest)
    local ok, err = check_dest(dest, "terminate")
    if not ok then return nil, err end
    return K.request("terminate", { to = dest })
  end
  function process.cancel(dest, reason)
    local ok, err = check_dest(dest, "cancel")
    if not ok then return nil, err end
    K.check(reason, 2, "cancel", "string", true)
    return K.request("cancel_process", { to = dest, reason = reason or "" })
  end
  function process.query(dest, name, ...)
    if in_workflow() then return K.invalid("process.query not supported in workflow context") end
    local ok, err = check_dest(dest, "query")
    if not ok then return nil, err end
    K.check(name, 2, "query", "string")
    if name == "" then return K.invalid("the name of the query is empty") end
    return K.request("query", { to = dest, name = name, args = table.pack(...) })
  end
  for _, op in ipairs({ "monitor", "unmonitor", "link", "unlink" }) do
    process[op] = function(dest)
      if in_workflow() then return K.invalid("process.%s not supported in workflow context", op) end
      local ok, err = check_dest(dest, op)
      if not ok then return nil, err end
      return K.request(op, { to = dest })
    end
  end

  local registry = {}
  for _, op in ipairs({ "register", "lookup", "unregister" }) do
    registry[op] = function(name, pid)
      if in_workflow() then return K.invalid("process.registry.%s not supported in workflow context", op) end
      K.check(name, 1, op, "string")
      if name == "" then return K.invalid("the name is empty") end
      return K.request("registry." .. op, { name = name, pid = pid })
    end
  end
  process.registry = K.freeze(registry, "process.registry")

  -- Continue-as-new: never returns.
  function process.upgrade(id, ...)
    if id ~= nil then
      local ok, err = launching.check_id(id, 1, "upgrade", "an entry")
      if not ok then return nil, err end
    end
    K.must_be_able_to_wait()
    local args, err = K.blobs_of(table.pack(...))
    if not args then return nil, err end
    K.continuation = { id = id, args = args, options = K.object({}), ctx = K.object(K.merged(K.context)) }
    K.park({ what = "upgrade" })
  end

  return process
end, "lasts"
