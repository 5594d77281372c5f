-- expect: budget

return function(...)
  return (("("):rep(100000)):find("%b()")
end
