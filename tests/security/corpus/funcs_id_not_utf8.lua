-- expect: harmless true

return function(...)
  local v, e = funcs.call("a:\xff")
  return e ~= nil
end
