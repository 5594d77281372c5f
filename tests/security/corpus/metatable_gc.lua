-- expect: error depends on garbage collection

return function(...)
  setmetatable({}, { __gc = function() end })
end
