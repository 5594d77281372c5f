-- expect: harmless [false,"string"]

return function(...)
  return { getmetatable(""), type(("x"):rep(2)) }
end
