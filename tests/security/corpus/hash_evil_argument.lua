-- expect: error string expected, got table

return function(...)
  hash.sha256(setmetatable({}, { __tostring = function() return "x" end }))
end
