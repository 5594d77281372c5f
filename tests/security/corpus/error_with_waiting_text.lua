-- expect: error __tostring failed

return function(...)
  error(setmetatable({}, { __tostring = function() time.sleep("1s") return "x" end }))
end
