-- expect: harmless 1000000

return function(...)
  local t = {}
  for i = 1, 1000000 do t[i] = i end
  return #t
end
