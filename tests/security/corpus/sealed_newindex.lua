-- expect: error cannot be changed (field 'table: 1')

return function(...)
  errors.new("x")[{}] = 1
end
