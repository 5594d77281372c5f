-- expect: harmless true

return function(...)
  local v, e = time.parse_duration(("1ns"):rep(100000))
  return v ~= nil
end
