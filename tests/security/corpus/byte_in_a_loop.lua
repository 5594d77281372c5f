-- expect: budget

return function(...)
  local s = ("x"):rep(200000)
  while true do s:byte(1, -1) end
end
