-- expect: budget

return function(...)
  table.sort(setmetatable({}, { __len = function() return 1 << 40 end }))
end
