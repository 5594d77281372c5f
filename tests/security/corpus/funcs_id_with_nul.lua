-- expect: harmless true

return function(...)
  local v, e = funcs.call("a:b\0c")
  return e ~= nil
end
