local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 2000 do t[i] = (i * 7919) % 1000 end
  local ok = pcall(table.sort, t, function(a, b) return (a * 31 + b) % 3 == 0 end)
  act("sorted", ok, hash.md5(table.concat(t, ",")))
end
