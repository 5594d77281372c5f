local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 30 do t[("x"):rep(100) .. (i * 13) % 30] = i end
  for k, v in pairs(t) do act("key", #k, v) end
end
