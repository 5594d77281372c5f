local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 500 do t[i] = i % 2 == 0 and i // 4 or (i // 4) + 0.0 end
  table.sort(t)
  act("sorted", hash.md5(json.encode(t)))
end
