-- expect: error data string too short

return function(...)
  return string.unpack("i8", "x")
end
