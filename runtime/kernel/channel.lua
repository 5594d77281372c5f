-- On first use of: channel channel_module list
-- Channels and select. A channel may also be fed by the kernel: `pull` takes the next item from upstream, where it is kept
-- until the channel has room; a message comes with itself, so that it is known while it is in the buffer. On a hand-off the initiator is queued before its counterpart.
return function(K)
  local raw = K.raw
  local type = raw.type

  local Channel, Case
  local kinds = K.kinds

  -- Lists that are taken from the front.
  local function list() return { first = 1, last = 0 } end
  local function add(l, v) l.last = l.last + 1; l[l.last] = v end
  local function take(l)
    local v = l[l.first]
    l[l.first] = nil
    l.first = l.first + 1
    if l.first > l.last then l.first, l.last = 1, 0 end
    return v
  end
  local function size(l) return l.last - l.first + 1 end
  K.list = { new = list, add = add, take = take, size = size }

  -- The first waiter that still waits; waiters of a select that was served are skipped.
  local function waiter(l)
    while size(l) > 0 do
      local w = l[l.first]
      if not w.ticket.served then return w end
      take(l)
    end
  end

  local NIL = {}

  local function refill(ch)
    while ch.pull and size(ch.buffer) < ch.capacity do
      local has, value, message = ch.pull()
      if not has then return end
      add(ch.buffer, value == nil and NIL or value)
      if message then
        ch.unread = ch.unread or {}
        ch.unread[ch.buffer.last] = message
      end
    end
  end

  -- The messages in a channel's buffer, in order. The program that follows gets those that nobody has received.
  local function unread(ch)
    local messages = list()
    for i = ch.buffer.first, ch.unread and ch.buffer.last or 0 do
      if ch.unread[i] then add(messages, ch.unread[i]) end
    end
    return messages
  end

  local function unnil(v)
    if v == NIL then return nil end
    return v
  end

  local function serve(w, ch, ok, value)
    w.ticket.served = true
    local task = w.ticket.task
    if w.case then
      K.wake(task, "case", w.case, ok, value)
    else
      K.wake(task, ok and "ok" or "closed", value)
    end
  end

  -- Takes an item without waiting: "value", v | "closed" | nil.
  local function try_receive(ch)
    if size(ch.buffer) > 0 then
      if ch.unread then ch.unread[ch.buffer.first] = nil end
      local value = unnil(take(ch.buffer))
      local sender = waiter(ch.senders)
      if sender then
        take(ch.senders)
        add(ch.buffer, sender.value == nil and NIL or sender.value)
        K.yield_before(function() serve(sender, ch, true) end)
      else
        refill(ch)
      end
      return "value", value
    end
    local sender = waiter(ch.senders)
    if sender then
      take(ch.senders)
      K.yield_before(function() serve(sender, ch, true) end)
      return "value", sender.value
    end
    if ch.pull then
      local has, value = ch.pull()
      if has then return "value", value end
    end
    if ch.closed then return "closed" end
  end

  local function receive_ready(ch)
    return size(ch.buffer) > 0 or waiter(ch.senders) ~= nil or (ch.ready and ch.ready()) or ch.closed
  end

  local function send_ready(ch)
    return ch.closed or waiter(ch.receivers) ~= nil or size(ch.buffer) < ch.capacity
  end

  -- Gives an item without waiting: true when it was taken. Raises on a closed channel.
  local function try_send(ch, value)
    if ch.closed then K.misuse("send on closed channel") end
    local receiver = waiter(ch.receivers)
    if receiver then
      take(ch.receivers)
      K.yield_before(function() serve(receiver, ch, true, value) end)
      return true
    end
    if size(ch.buffer) < ch.capacity then
      add(ch.buffer, value == nil and NIL or value)
      return true
    end
    return false
  end

  -- Puts the task of a ticket into the line of those who wait at a channel. `ticket.fed`: at how many that are fed from outside.
  local function line_up(line, ch, ticket, case, value)
    waiter(line) -- those at the front who were served elsewhere go
    add(line, { ticket = ticket, case = case, value = value })
    if ch.fed then ticket.fed = ticket.fed + 1 end
  end

  local function cancel_ticket(ticket)
    return function(task)
      ticket.served = true
      K.wake(task, "canceled")
    end
  end

  local methods = {}

  function methods:receive(timeout)
    local ch = Channel.self(self, "receive")
    K.changes("receive")
    if timeout ~= nil then K.check_duration(timeout, 1, "receive") end
    local what, value = try_receive(ch)
    if what == "value" then return value, true end
    if what == "closed" then return nil, false end
    K.must_be_able_to_wait()
    if K.is_cancelled_here() then return nil, false, K.canceled() end
    local timer
    local ticket = { task = K.current, fed = 0 }
    if timeout ~= nil then
      local ns, problem = K.parse_duration(timeout)
      if not ns then return nil, false, K.error({ kind = kinds.INVALID, message = problem, retryable = false }) end
      if ns <= 0 then return nil, false, K.error({ kind = kinds.TIMEOUT, message = "receive timed out" }) end
      timer = K.command("timer", { ns = ns })
      K.on_done(timer, function()
        if not ticket.served then
          ticket.served = true
          K.wake(ticket.task, "timeout")
        end
      end)
    end
    line_up(ch.receivers, ch, ticket)
    local how, got = K.park({ what = "receive", cancel = cancel_ticket(ticket), outside = ticket.fed > 0 })
    if timer and not timer.done then K.cancel(timer) end
    if how == "ok" then return got, true end
    if how == "canceled" then return nil, false, K.canceled() end
    if how == "timeout" then return nil, false, K.error({ kind = kinds.TIMEOUT, message = "receive timed out" }) end
    return nil, false
  end

  function methods:send(...)
    local ch = Channel.self(self, "send")
    local value = ...
    if K.readonly then K.misuse("a query handler or validator cannot send") end
    if try_send(ch, value) then return true end
    K.must_be_able_to_wait()
    local ticket = { task = K.current, fed = 0 }
    line_up(ch.senders, ch, ticket, nil, value)
    local how = K.park({ what = "send", outside = ticket.fed > 0 })
    if how == "closed" then K.misuse("send on closed channel") end
    return true
  end

  function methods:close()
    local ch = Channel.self(self, "close")
    K.changes("close")
    K.channel.close_state(ch)
  end

  function methods:case_receive()
    return Case.new({ kind = "receive", channel = self, state = Channel.self(self, "case_receive") })
  end

  function methods:case_send(...)
    local value = ...
    return Case.new({ kind = "send", channel = self, state = Channel.self(self, "case_send"), value = value })
  end

  Channel = K.class("channel", methods, {})
  Case = K.class("channel.case", {}, {})

  local function fire(case)
    if case.kind == "send" then
      try_send(case.state, case.value)
      return { channel = case.channel, ok = true }
    end
    local what, value = try_receive(case.state)
    return { channel = case.channel, value = value, ok = what == "value" }
  end

  local function select(cases)
    K.check(cases, 1, "select", "table")
    K.changes("select")
    local default, list_of = false, {}
    for key, value in K.pairs(cases) do
      if key == "default" then
        default = value and true or false
      else
        local case = Case.state(value)
        if not case or type(key) ~= "number" then
          K.misuse("bad argument #1 to 'select' (an array of channel cases expected, got %s at '%s')",
            K.class_name(value) or K.type(value), K.tostring(key))
        end
        list_of[#list_of + 1] = case
      end
    end
    for i = 1, #list_of do
      local case = list_of[i]
      if (case.kind == "send" and send_ready or receive_ready)(case.state) then return fire(case) end
    end
    if default then return { default = true, ok = true } end
    if #list_of == 0 then K.misuse("select over nothing would wait for ever") end
    K.must_be_able_to_wait()
    if K.is_cancelled_here() then return { ok = false, error = K.canceled() } end
    local ticket = { task = K.current, fed = 0 }
    for i = 1, #list_of do
      local case = list_of[i]
      local state = case.state
      line_up(case.kind == "send" and state.senders or state.receivers, state, ticket, case, case.value)
    end
    local how, case, ok, value = K.park({ what = "select", cancel = cancel_ticket(ticket), outside = ticket.fed > 0 })
    if how == "canceled" then return { ok = false, error = K.canceled() } end
    if case.kind == "send" and not ok then K.misuse("send on closed channel") end
    return { channel = case.channel, value = value, ok = ok }
  end

  local function new(capacity)
    return Channel.new({ buffer = list(), capacity = capacity, senders = list(), receivers = list(), closed = false })
  end

  K.channel = { select = select, class = Channel }

  function K.channel.new(capacity) return new(capacity or 0) end
  K.channel.unread = unread

  -- Kernel side: delivered now or kept upstream until there is room.
  local function upstream(ch)
    if not ch.up then
      ch.up = list()
      ch.pull = function()
        if size(ch.up) == 0 then return false end
        return true, unnil(take(ch.up))
      end
      ch.ready = function() return size(ch.up) > 0 end
    end
    return ch.up
  end

  -- Moves what is upstream to a waiting receiver or into free room.
  function K.channel.poke_state(ch)
    while true do
      local receiver = waiter(ch.receivers)
      if not receiver then break end
      local has, value = ch.pull()
      if not has then return end
      take(ch.receivers)
      serve(receiver, ch, true, value)
    end
    refill(ch)
  end

  function K.channel.offer(channel, value)
    local ch = Channel.state(channel)
    if ch.closed then return false end
    add(upstream(ch), value == nil and NIL or value)
    K.channel.poke_state(ch)
    return true
  end

  function K.channel.try(channel, value)
    local ch = Channel.state(channel)
    if ch.closed or not (waiter(ch.receivers) or size(ch.buffer) < ch.capacity) then return false end
    return K.channel.offer(channel, value)
  end

  function K.channel.close_state(ch)
    if ch.closed then return end
    ch.closed = true
    if ch.on_close then ch.on_close() end
    local w = waiter(ch.receivers)
    while w do
      take(ch.receivers)
      serve(w, ch, false)
      w = waiter(ch.receivers)
    end
    w = waiter(ch.senders)
    while w do
      take(ch.senders)
      serve(w, ch, false)
      w = waiter(ch.senders)
    end
  end

  function K.channel.close(channel) K.channel.close_state(Channel.state(channel)) end
  function K.channel.state(channel) return Channel.state(channel) end

  -- Says that what arrives from outside, unasked, goes into a channel, or does so no more.
  function K.channel.feed_state(ch, fed)
    if (ch.fed or false) == fed then return end
    ch.fed = fed
    for _, line in raw.next, { ch.receivers, ch.senders } do
      for i = line.first, line.last do
        local ticket = line[i].ticket
        if not ticket.served then
          ticket.fed = ticket.fed + (fed and 1 or -1)
          K.waits_for_outside(ticket.task, ticket.fed > 0)
        end
      end
    end
  end

  -- What scripts see as the `channel` module.
  K.channel_module = {
    new = function(capacity)
      K.check(capacity, 1, "new", "integer", true)
      if capacity and capacity < 0 then K.misuse("bad argument #1 to 'new' (capacity must not be negative)") end
      return new(capacity or 0)
    end,
    select = select,
  }
end, "lasts"
