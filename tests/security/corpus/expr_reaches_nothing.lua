-- expect: harmless true

return function(...)
  local v, e = expr.eval("_G.print", {})
  return v == nil
end
