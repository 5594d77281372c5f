-- expect: error bad argument #1 to 'require' (string expected, got table)

return function(...)
  require(setmetatable({}, { __tostring = function() return "time" end }))
end
