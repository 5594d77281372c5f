-- expect: error attempt to index a string value

return function(...)
  local s = "x"
  s.upper = function() end
end
