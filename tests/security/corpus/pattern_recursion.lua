-- expect: error pattern too complex

return function(...)
  return (("x"):rep(1000)):find(("(x)"):rep(1), 1) and ("x"):rep(100000):find(("x?"):rep(100000) .. "y")
end
