-- expect: error too many local variables

return function(...)
  local parts = {}
  for i = 1, 300 do parts[i] = "local a" .. i .. " = 1" end
  error((select(2, load(table.concat(parts, " ")))))
end
