-- expect: error resulting string too large

return function(...)
  return (""):rep(1 << 40, "ab")
end
