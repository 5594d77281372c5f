-- expect: harmless true

return function(...)
  return #time.now():format(("2006"):rep(100000)) == 400000
end
