-- expect: error resulting string too large

return function(...)
  return ("x"):rep(1e15)
end
