-- expect: error not valid UTF-8

return function(...)
  return { a = "\xff" }
end
