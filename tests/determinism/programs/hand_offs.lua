local function act(...) return funcs.call("app:act", ...) end

return function()
  local ch = channel.new()
  for i = 1, 5 do coroutine.spawn(function() ch:send(i) act("sent", i) end) end
  for i = 1, 5 do act("received", (ch:receive())) end
  time.sleep("1s")
end
