-- expect: error is not an integer

return function(...)
  return os.time(setmetatable({}, { __index = function() return {} end }))
end
