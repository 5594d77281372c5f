local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 90 do t[i] = (i * 37) % 17 end
  local ok, e = pcall(table.sort, t, function(a, b) return (a * 31 + b) % 3 == 0 end)
  act("sorted", ok, table.concat(t, ","))
end
