-- expect: error all coroutines are blocked

return function(...)
  local ch = channel.new()
  for i = 1, 5000 do coroutine.spawn(function() ch:receive() end) end
  ch:receive()
end
