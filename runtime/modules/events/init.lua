-- events: what happens on this host.
return function(K)
  local events = {}
  local Subscription
  local methods = {}

  local function event_of(fields)
    if fields.base64 then
      fields.data, fields.base64 = K.host("base64.decode", fields.base64), nil
    end
    return fields
  end

  function methods:channel() return Subscription.self(self, "channel").channel end

  function methods:close()
    K.close_feed(Subscription.self(self, "close"))
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
    return Subscription.new(K.feed({
      number = number, next = "events.next", close = "events.unsubscribe", item = event_of, at = at,
    }))
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
