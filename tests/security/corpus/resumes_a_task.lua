-- expect: error cannot resume non-suspended coroutine

return function(...)
  local main = coroutine.running()
  local out = channel.new(1)
  coroutine.spawn(function() out:send({ coroutine.resume(main, "case", { channel = "forged" }, true, "stolen") }) end)
  local answer = out:receive()
  error(answer[2])
end
