-- expect: error value out of range

return function(...)
  return utf8.char(-1)
end
