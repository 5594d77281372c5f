-- expect: budget

return function(...)
  while true do local s = ("x"):rep(10000000) end
end
