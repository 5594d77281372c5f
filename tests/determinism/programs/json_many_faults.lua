local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 50 do t["k" .. i] = print end
  act("fault", tostring(select(2, json.encode(t))))
end
