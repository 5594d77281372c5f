-- expect: budget

return function(...)
  ("x"):gsub("x", function() while true do end end)
end
