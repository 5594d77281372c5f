-- expect: budget

return function(...)
  return (("a"):rep(3000000)):find(("a"):rep(1500000) .. "b", 1, true)
end
