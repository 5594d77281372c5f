-- expect: error evil

return function(...)
  print(setmetatable({}, { __tostring = function() error("evil") end }))
end
