-- expect: error cannot close a

return function(...)
  local main = coroutine.running()
  local out = channel.new(1)
  coroutine.spawn(function() out:send((select(2, pcall(coroutine.close, main)))) end)
  error(out:receive(), 0)
end
