-- expect: error __tostring failed

return function(...)
  error(setmetatable({}, { __tostring = function() error("inside") end }))
end
