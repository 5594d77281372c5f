-- expect: error xxxx

return function(...)
  error(("x"):rep(100000), 0)
end
