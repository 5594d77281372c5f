-- expect: budget

return function(...)
  local s = ("x"):rep(10000000)
  while true do utf8.len(s) end
end
