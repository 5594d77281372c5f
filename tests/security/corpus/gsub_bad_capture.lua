-- expect: error invalid capture index

return function(...)
  return ("x"):gsub("x", "%9")
end
