-- expect: error resulting string too large

return function(...)
  return ("x"):rep("1000000000000")
end
