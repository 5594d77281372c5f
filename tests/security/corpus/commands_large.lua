-- expect: limit
-- instructions: 2000000000

return function(...)
  local s = ("x"):rep(1000000)
  while true do funcs.async("no:such", s) end
end
