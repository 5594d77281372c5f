-- expect: budget

return function(...)
  return table.concat(setmetatable({}, { __len = function() return 1 << 50 end, __index = function() return "x" end }), "", 1, 1 << 40)
end
