-- expect: error bad argument #1 to 'bytes'

return function(...)
  payload.bytes(setmetatable({}, { __tostring = function() return "x" end }))
end
