-- expect: error too many elements to move

return function(...)
  table.move({}, math.mininteger, math.maxinteger, 1)
end
