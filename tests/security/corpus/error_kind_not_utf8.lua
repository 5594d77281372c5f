-- expect: error odd

return function(...)
  error(errors.new({ message = "odd", kind = "\xff" }))
end
