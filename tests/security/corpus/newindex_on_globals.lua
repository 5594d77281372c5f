-- expect: error a global

return function(...)
  setmetatable(_G, { __newindex = function() error("a global") end })
  x = 1
end
