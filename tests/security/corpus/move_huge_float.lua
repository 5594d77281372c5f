-- expect: budget

return function(...)
  table.move({}, 1, 1e15, 2)
end
