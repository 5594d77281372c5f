-- expect: harmless 0

return function(...)
  -- An empty string repeated 10^18 times would loop in C for years.
  return #(""):rep(1e18)
end
