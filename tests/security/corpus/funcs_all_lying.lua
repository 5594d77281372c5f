-- expect: limit

return function(...)
  funcs.all(setmetatable({}, { __len = function() return 1 << 40 end, __index = function() return (funcs.async("no:such")) end }))
end
