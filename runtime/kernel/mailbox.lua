-- On first use of: inbox listen listens_with_messages unlisten deliver unread events unread_events deliver_process_event message_class
-- Messages and process events. A message goes to the channel that listens to its topic, else to the inbox once somebody
-- asked for it, else it waits in arrival order; nothing is dropped. It leaves the mailbox when its channel has room, and is unread
-- until somebody has received it.
return function(K)
  local add, take, size = K.list.add, K.list.take, K.list.size

  -- Messages are {topic, from, args={{encoding,bytes}}, at, n}, where `n` counts them as they arrive. Those that a channel
  -- listens for are in a list of its own, so that a message costs the same whatever else is unread.
  local unheard, arrived
  local listeners -- topic -> {channel, mail, as_message, given}
  local closed -- the states of channels that listen no more
  local inbox
  local events
  local events_channel
  K.anew(function()
    unheard, arrived, listeners, closed, inbox = K.list.new(), 0, {}, {}, nil
    events, events_channel = K.list.new(), nil
  end)

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
  -- In a value it travels as what it brought.
  Message = K.class("message", methods, {}, function(item)
    local payload = payloads_of(item)
    if payload == nil then return K.null end
    return payload
  end)

  -- Puts the messages of another list into one, where all stay in the order in which they arrived.
  local function merge(into, other)
    local own = K.list.new()
    for _ = 1, size(into) do add(own, take(into)) end
    for _ = 1, size(own) + size(other) do
      local first, second = own[own.first], other[other.first]
      add(into, take((not second or first and first.n < second.n) and own or other))
    end
  end

  -- Takes the messages of a topic out of those that nobody listens for.
  local function heard(topic)
    local list = K.list.new()
    for _ = 1, size(unheard) do
      local item = take(unheard)
      add(item.topic == topic and list or unheard, item)
    end
    return list
  end

  local function feed(channel, mail, value_of)
    local state = K.channel.state(channel)
    state.pull = function()
      if size(mail) == 0 then return false end
      local item = take(mail)
      return true, value_of(item), item
    end
    state.ready = function() return size(mail) > 0 end
    K.channel.feed_state(state, true)
    K.channel.poke_state(state)
  end

  function K.inbox()
    if not inbox then
      K.changes("inbox")
      inbox = K.channel.new(0)
      feed(inbox, unheard, Message.new)
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
    local state = K.channel.state(channel)
    local mail = state.mail or K.list.new() -- of a channel that listens to other topics already
    state.mail = mail
    listeners[topic] = { channel = channel, mail = mail, as_message = as_message, given = given ~= nil }
    merge(mail, heard(topic))
    feed(channel, mail, as_message and Message.new or values_of)
    return channel
  end

  function K.listens_with_messages(topic)
    return listeners[topic] ~= nil and listeners[topic].as_message
  end

  -- A channel that is closed may still be received from, as long as its buffer has messages.
  local function keep_unread(state)
    local before = closed
    closed = {}
    for i = 1, #before do
      if size(K.channel.unread(before[i])) > 0 then closed[#closed + 1] = before[i] end
    end
    if size(K.channel.unread(state)) > 0 then closed[#closed + 1] = state end
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
    keep_unread(state)
    state.pull, state.ready, state.mail = nil, nil, nil
    K.channel.feed_state(state, false)
    merge(unheard, found.mail)
    if not found.given then K.channel.close(channel) end
    if inbox then K.channel.poke_state(K.channel.state(inbox)) end
    return true
  end

  function K.deliver(item)
    arrived = arrived + 1
    item.n = arrived
    local listener = listeners[item.topic]
    add(listener and listener.mail or unheard, item)
    local channel = listener and listener.channel or inbox
    if channel then K.channel.poke_state(K.channel.state(channel)) end
  end

  -- Topics of the messages nobody has taken, in arrival order; and the messages themselves, for continue-as-new.
  function K.unread()
    local all, seen = K.list.new(), {}
    local function append(mail)
      if seen[mail] or size(mail) == 0 then return end
      seen[mail] = true
      local copy = K.list.new()
      for i = mail.first, mail.last do add(copy, mail[i]) end
      merge(all, copy)
    end
    -- A channel that listens to several topics has those that waited for the second behind those of the first.
    local function append_buffer(state)
      if seen[state] then return end
      seen[state] = true
      local messages = K.channel.unread(state)
      K.raw.table.sort(messages, function(a, b) return a.n < b.n end)
      append(messages)
    end
    append(unheard)
    for _, listener in K.pairs(listeners) do
      append(listener.mail)
      append_buffer(K.channel.state(listener.channel))
    end
    for i = 1, #closed do append_buffer(closed[i]) end
    return all
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
        return true, take(events)
      end
      state.ready = function() return size(events) > 0 end
      K.channel.feed_state(state, true)
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
end, "lasts"
