-- expect: budget

return function(...)
  local s = ("x"):rep(10000000)
  while true do local t = s:sub(2) end
end
