-- expect: error integral size (17) out of limits

return function(...)
  return string.pack("i17", 1)
end
