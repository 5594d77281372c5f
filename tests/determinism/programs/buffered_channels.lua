local function act(...) return funcs.call("app:act", ...) end

return function()
  local ch, done = channel.new(2), channel.new(1)
  coroutine.spawn(function() for i = 1, 6 do ch:send(i) act("sent", i) end ch:close() done:send(true) end)
  for i = 1, 7 do local v, ok = ch:receive() act("received", v == nil and "nil" or v, ok) end
  done:receive()
end
