-- expect: harmless 1

return function(...)
  return load("return 1", "x", "bt")()
end
