-- expect: error '__tostring' must return a string

return function(...)
  tostring(setmetatable({}, { __tostring = function() return {} end }))
end
