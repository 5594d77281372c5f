local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 4000 do t[i] = i <= 2000 and i or 4001 - i end
  local calls = 0
  table.sort(t, function(a, b) calls = calls + 1 return a < b end)
  act("sorted", calls, hash.md5(table.concat(t, ",")))
end
