-- expect: memory
-- instructions: 2000000000

return function(...)
  local t = {}
  for i = 1, 100 do t[i] = ("x"):rep(1000000) end
  return t
end
