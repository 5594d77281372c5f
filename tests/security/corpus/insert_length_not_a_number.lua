-- expect: error object length is not an integer

return function(...)
  table.insert(setmetatable({}, { __len = function() return "many" end }), 1)
end
