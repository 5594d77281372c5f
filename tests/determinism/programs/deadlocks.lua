local function act(...) return funcs.call("app:act", ...) end

return function()
  for i = 1, 5 do coroutine.spawn(function() channel.new():receive() end) end
  channel.new():receive()
end
