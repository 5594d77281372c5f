-- expect: budget

return function(...)
  local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end, __add = function(a) return a + a end })
  pcall(function() return t[1] end)
  while true do pcall(function() return t + t end) end
end
