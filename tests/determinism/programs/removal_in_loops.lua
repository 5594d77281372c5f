local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 30 do t[i] = i end
  for i, v in ipairs(t) do if v % 3 == 0 then table.remove(t, i) end end
  act("left", table.concat(t, " "))
end
