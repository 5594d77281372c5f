-- expect: budget

return function(...)
  while true do string.pack("c20000000", "x") end
end
