-- expect: error attempt to yield from outside a coroutine

return function(...)
  return ("%s"):format(setmetatable({}, { __tostring = function() coroutine.yield() return "" end }))
end
