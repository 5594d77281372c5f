-- expect: error cannot iterate a error

return function(...)
  next(errors.new("x"))
end
