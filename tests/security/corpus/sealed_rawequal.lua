-- expect: harmless [true,false]

return function(...)
  local e = errors.new("x")
  return { rawequal(e, e), rawequal(e, errors.new("x")) }
end
