-- expect: harmless ["cannot wait here","got it"]

return function(...)
  -- A wait that cannot be handed on is refused before anybody is woken for it.
  local said
  local _ = ("x"):gsub("x", function()
    local _, e = coroutine.resume(coroutine.create(function() time.sleep("1s") end))
    said = e:match("cannot wait here")
  end)
  local ch = channel.new()
  coroutine.spawn(function() time.sleep("1s") ch:send("got it") end)
  return { said, (ch:receive()) }
end
