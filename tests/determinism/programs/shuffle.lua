local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 52 do t[i] = i end
  for i = 52, 2, -1 do local j = math.random(i) t[i], t[j] = t[j], t[i] end
  act("shuffled", table.concat(t, " "))
end
