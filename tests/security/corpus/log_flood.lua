-- expect: budget

return function(...)
  while true do print("x") end
end
