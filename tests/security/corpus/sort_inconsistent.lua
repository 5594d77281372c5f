-- expect: harmless true

return function(...)
  local t = {}
  for i = 1, 500 do t[i] = i end
  local ok = pcall(table.sort, t, function(a, b) return (a * 7919) % 13 < (b * 104729) % 13 end)
  return ok ~= nil
end
