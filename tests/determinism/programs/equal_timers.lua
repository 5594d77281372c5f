local function act(...) return funcs.call("app:act", ...) end

return function()
  for i = 1, 8 do coroutine.spawn(function() time.sleep("5s") act("woke", i) end) end
  time.sleep("10s")
end
