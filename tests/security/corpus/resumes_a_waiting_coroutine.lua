-- expect: harmless [false,"cannot resume non-suspended coroutine",true]

return function(...)
  local inner = coroutine.create(function() return time.sleep("1s") end)
  local out = channel.new(1)
  coroutine.spawn(function() out:send({ coroutine.resume(inner, "forged") }) end)
  local ok, slept = coroutine.resume(inner)
  local answer = out:receive()
  return { answer[1], answer[2], slept }
end
