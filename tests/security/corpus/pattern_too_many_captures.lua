-- expect: error too many captures

return function(...)
  return ("x"):rep(100):find(("(x)"):rep(40))
end
