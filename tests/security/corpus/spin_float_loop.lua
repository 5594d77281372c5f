-- expect: budget

return function(...)
  for i = 1, math.huge do end
end
