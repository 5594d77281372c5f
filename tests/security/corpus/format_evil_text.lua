-- expect: error evil

return function(...)
  return ("%s"):format(setmetatable({}, { __tostring = function() error("evil") end }))
end
