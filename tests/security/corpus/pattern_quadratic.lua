-- expect: harmless null

return function(...)
  return (("a"):rep(3000000)):find("a*b")
end
