-- expect: error has no length

return function(...)
  return #errors.new("x")
end
