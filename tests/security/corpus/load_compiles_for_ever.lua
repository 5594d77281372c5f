-- expect: budget

return function(...)
  while true do load(("x = 1;"):rep(50000)) end
end
