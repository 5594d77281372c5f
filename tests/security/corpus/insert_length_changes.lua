-- expect: harmless true

return function(...)
  local n = 0
  local t = setmetatable({}, { __len = function() n = n + 1 return n == 1 and 3 or 1 << 50 end })
  return pcall(table.insert, t, 1, 1)
end
