local function act(...) return funcs.call("app:act", ...) end

return function()
  local function numbers(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end
  local a, b = numbers(5), numbers(5)
  for i = 1, 5 do act("numbers", a(), b()) end
end
