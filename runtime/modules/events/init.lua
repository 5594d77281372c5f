-- events: what happens on this host. A subscription asks the host for the next events whenever its channel has none left.
return function(K)
  local events = {}
  local Subscription
  local methods = {}

  local function finish(state)
    state.over = true
    K.channel.close(state.channel)
  end

  local function event_of(fields)
    if fields.base64 then
      fields.data, fields.base64 = K.host("base64.decode", fields.base64), nil
    end
    return fields
  end

  local function ask(state)
    if state.asking or state.over then return end
    local pending = K.command("events.next", { sub = state.number, at = state.at })
    state.asking = pending
    K.on_done(pending, function(found, err)
      state.asking = nil
      if state.over then return end
      if err then return finish(state) end
      for i = 1, #found do K.list.add(state.unread, event_of(found[i])) end
      K.channel.poke_state(K.channel.state(state.channel))
      if K.list.size(state.unread) == 0 then ask(state) end
    end)
  end

  local function feed(state)
    local ch = K.channel.state(state.channel)
    ch.pull = function()
      if K.list.size(state.unread) == 0 then return false end
      local event = K.list.take(state.unread)
      if K.list.size(state.unread) == 0 then ask(state) end
      return true, event
    end
    ch.ready = function() return K.list.size(state.unread) > 0 end
  end

  function methods:channel() return Subscription.self(self, "channel").channel end

  function methods:close()
    local state = Subscription.self(self, "close")
    if state.closed then return true end
    state.closed = true
    local ch = K.channel.state(state.channel)
    ch.pull, ch.ready = nil, nil
    local asking = state.asking
    if not state.over then finish(state) end
    if asking then K.cancel(asking) end
    K.command("events.unsubscribe", { sub = state.number })
    return true
  end

  Subscription = K.class("events.Subscription", methods, {})

  local function named(value, n, fname, what)
    K.check(value, n, fname, "string")
    if value == "" then return K.invalid("the %s of an event is empty", what) end
    return true
  end

  function events.subscribe(system, kind)
    K.check(kind, 2, "subscribe", "string", true)
    local ok, err = named(system, 1, "subscribe", "system")
    if ok and kind then ok, err = named(kind, 2, "subscribe", "kind") end
    if not ok then return nil, err end
    local at = K.where()
    local number
    number, err = K.request("events.subscribe", { system = system, kind = kind })
    if err then return nil, err end
    local state = { number = number, at = at, channel = K.channel.new(0), unread = K.list.new() }
    feed(state)
    ask(state)
    return Subscription.new(state)
  end

  function events.send(system, kind, path, ...)
    K.check(kind, 2, "send", "string")
    K.check(path, 3, "send", "string")
    local ok, err = named(system, 1, "send", "system")
    if ok then ok, err = named(kind, 2, "send", "kind") end
    if ok then ok, err = named(path, 3, "send", "path") end
    if not ok then return nil, err end
    local data = ...
    return K.request("events.send", { system = system, kind = kind, path = path, args = { data, n = data ~= nil and 1 or 0 } })
  end

  return events
end
