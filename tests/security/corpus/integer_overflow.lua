-- expect: harmless [true,true]

return function(...)
  return { math.maxinteger + 1 == math.mininteger, math.mininteger // -1 == math.mininteger }
end
