-- expect: error is a function

return function(...)
  return payload.new(print)
end
