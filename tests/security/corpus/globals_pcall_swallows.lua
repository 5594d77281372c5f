-- expect: budget

return function(...)
  pcall = function() return true end
  while true do end
end
