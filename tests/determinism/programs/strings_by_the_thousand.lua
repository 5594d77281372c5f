local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 1000 do t["k" .. (i * 7919) % 1000] = i end
  for k, v in pairs(t) do if v % 100 == 0 then act("key", k, v) end end
end
