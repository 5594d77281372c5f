-- expect: harmless true

return function(...)
  local v, e = expr.eval(("("):rep(100000) .. "1")
  return e ~= nil
end
