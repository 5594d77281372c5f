-- expect: error invalid replacement value

return function(...)
  return ("x"):gsub("x", function() return {} end)
end
