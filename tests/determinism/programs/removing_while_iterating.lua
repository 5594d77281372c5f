local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 50 do t["k" .. i] = i end
  for k, v in pairs(t) do if v % 2 == 0 then t[k] = nil else t["k" .. v + 1] = nil end act("left", k) end
end
