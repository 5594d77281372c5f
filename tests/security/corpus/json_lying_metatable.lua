-- expect: harmless [1,2]

return function(...)
  return setmetatable({ 1, 2 }, { __len = function() return 1 << 50 end, __index = function() return print end, __pairs = error })
end
