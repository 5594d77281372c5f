local function act(...) return funcs.call("app:act", ...) end

return function()
  for i = 1, 10 do
    coroutine.spawn(function() for j = 1, 3 do act("step", i, j) time.sleep((i % 3 + 1) * 1000000000) end end)
  end
  time.sleep("1m")
end
