local function act(...) return funcs.call("app:act", ...) end

return function()
  local t, u = {}, {}
  for i = 1, 20 do t["t" .. i] = i u["u" .. i] = i end
  local a, b = next(t), next(u)
  while a do act("pair", a, b) a, b = next(t, a), next(u, b) end
end
