-- expect: harmless "normal"

return function(...)
  local inner = coroutine.create(function() time.sleep("1s") end)
  local out = channel.new(1)
  coroutine.spawn(function() out:send(coroutine.status(inner)) end)
  coroutine.resume(inner)
  return (out:receive())
end
