-- expect: budget

return function(...)
  local s = ("a"):rep(80)
  while true do s:find("a-a-a-b") end
end
