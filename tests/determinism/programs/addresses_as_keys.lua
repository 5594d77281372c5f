local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 20 do t[tostring({})] = i end
  for k, v in pairs(t) do act("key", k, v) end
end
