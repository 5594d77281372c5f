-- expect: harmless "said"

return function(...)
  print(("x"):rep(10000000))
  logger:info("x", { field = ("x"):rep(10000000) })
  return "said"
end
