-- On first use of: inbox listen listens_with_messages unlisten deliver unread events unread_events deliver_process_event message_class
-- Messages and process events. A message goes to the channel that listens to its topic, else to the inbox once somebody
-- asked for it, else it waits in arrival order; nothing is dropped. It leaves the mailbox only when its channel has room.
return function(K)
  local add, size = K.list.add, K.list.size

  local messages = K.list.new() -- {topic, from, args={{encoding,bytes}}, at, update}
  local listeners = {} -- topic -> {channel, state, as_message}
  local inbox
  local events = K.list.new()
  local events_channel

  local Message
  local methods = {}
  local function payloads_of(item)
    local payloads = {}
    for i = 1, #item.args do payloads[i] = K.incoming(item.args[i][1], item.args[i][2]) end
    if #payloads == 0 then return nil end
    if #payloads == 1 then return payloads[1] end
    return payloads
  end
  function methods:topic() return Message.self(self, "topic").topic end
  function methods:from() return Message.self(self, "from").from or "" end
  function methods:payload() return payloads_of(Message.self(self, "payload")) end
  Message = K.class("message", methods, {})

  -- The first message that `wants` accepts, taken out of the mailbox.
  local function take_where(wants)
    for i = messages.first, messages.last do
      local item = messages[i]
      if item and wants(item) then
        messages[i] = false
        while size(messages) > 0 and messages[messages.first] == false do K.list.take(messages) end
        return item
      end
    end
  end
  local function has_where(wants)
    for i = messages.first, messages.last do
      if messages[i] and wants(messages[i]) then return true end
    end
    return false
  end

  local function feed(channel, wants, value_of)
    local state = K.channel.state(channel)
    state.pull = function()
      local item = take_where(wants)
      if not item then return false end
      return true, value_of(item)
    end
    state.ready = function() return has_where(wants) end
    K.external(channel, true)
    K.channel.poke_state(state)
    return state
  end

  local function to_inbox(item) return not listeners[item.topic] end

  function K.inbox()
    if not inbox then
      K.changes("inbox")
      inbox = K.channel.new(0)
      feed(inbox, to_inbox, Message.new)
    end
    return inbox
  end

  -- What a plain listener receives: the value of a single payload, else an array of values.
  local function values_of(item)
    local payloads = payloads_of(item)
    if payloads == nil then return nil end
    if #item.args == 1 then return (payloads:data()) end
    local values = {}
    for i = 1, #payloads do
      local v = payloads[i]:data()
      if v == nil then v = K.null end
      values[i] = v
    end
    return values
  end

  -- The channel that gets the messages of `topic`: the one that listens already, `given`, or a new one.
  function K.listen(topic, as_message, given)
    local known = listeners[topic]
    if known then return known.channel end
    K.changes("listen")
    local channel = given or K.channel.new(1)
    listeners[topic] = { channel = channel, as_message = as_message, given = given ~= nil }
    feed(channel, function(item)
      local listener = listeners[item.topic]
      return listener ~= nil and listener.channel == channel
    end, as_message and Message.new or values_of)
    return channel
  end

  function K.listens_with_messages(topic)
    return listeners[topic] ~= nil and listeners[topic].as_message
  end

  -- Closes a listening channel; later messages go the usual way.
  function K.unlisten(channel)
    K.changes("unlisten")
    local found
    for topic, entry in K.pairs(listeners) do
      if entry.channel == channel then
        found = entry
        listeners[topic] = nil
      end
    end
    if not found then return false end
    local state = K.channel.state(channel)
    state.pull, state.ready, state.external = nil, nil, nil
    if not found.given then K.channel.close(channel) end
    if inbox then K.channel.poke_state(K.channel.state(inbox)) end
    return true
  end

  local function route(item)
    local listener = listeners[item.topic]
    if listener then
      K.channel.poke_state(K.channel.state(listener.channel))
    elseif inbox then
      K.channel.poke_state(K.channel.state(inbox))
    end
  end

  function K.deliver(item)
    add(messages, item)
    route(item)
  end

  -- Topics of the messages nobody has taken, in arrival order; and the messages themselves, for continue-as-new.
  function K.unread()
    local list = {}
    for i = messages.first, messages.last do
      if messages[i] then list[#list + 1] = messages[i] end
    end
    return list
  end

  -- Process events.
  function K.events()
    if not events_channel then
      K.changes("events")
      events_channel = K.channel.new(0)
      K.events_wanted = true -- so cancellation comes as an event
      local state = K.channel.state(events_channel)
      state.pull = function()
        if size(events) == 0 then return false end
        return true, K.list.take(events)
      end
      state.ready = function() return size(events) > 0 end
      K.external(events_channel, true)
      K.channel.poke_state(state)
    end
    return events_channel
  end
  -- Events nobody has taken, for continue-as-new.
  function K.unread_events()
    local list = {}
    for i = events.first, events.last do list[#list + 1] = events[i] end
    return list
  end
  function K.deliver_process_event(event)
    add(events, event)
    if events_channel then K.channel.poke_state(K.channel.state(events_channel)) end
  end

  K.message_class = Message
end
