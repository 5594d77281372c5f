-- expect: error data string too short

return function(...)
  return string.unpack("s8", "\255\255\255\255\255\255\255\127")
end
