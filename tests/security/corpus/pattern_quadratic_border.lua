-- expect: budget

return function(...)
  return (("a"):rep(3000000)):find("a*%f[b]")
end
