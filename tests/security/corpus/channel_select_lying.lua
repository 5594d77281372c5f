-- expect: error select over nothing

return function(...)
  channel.select(setmetatable({}, { __pairs = function() return function() end end }))
end
