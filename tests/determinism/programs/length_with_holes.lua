local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = { 1, 2, nil, 4 }
  act("length", #t)
  t[8] = 8
  act("length", #t)
  for i = 1, 16 do t[i] = i end
  for i = 5, 12 do t[i] = nil end
  act("length", #t)
end
