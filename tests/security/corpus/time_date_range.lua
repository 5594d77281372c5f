-- expect: harmless true

return function(...)
  local t, e = time.date(math.maxinteger, 1, 1)
  return t == nil and e ~= nil
end
