local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 16, 1, -1 do t[i] = i end
  t[9] = nil
  act("length", #t)
end
