-- expect: harmless ["nil",1]

return function(...)
  return load("return {type(print), x}", "x", "t", { x = 1, type = type })()
end
