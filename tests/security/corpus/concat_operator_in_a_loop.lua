-- expect: budget
-- instructions: 2000000000

return function(...)
  local s = ("x"):rep(30000000)
  while true do local t = s .. "x" end
end
