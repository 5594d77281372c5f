-- expect: budget

return function(...)
  return (("a"):rep(1000000)):find(("a"):rep(500000) .. "b")
end
