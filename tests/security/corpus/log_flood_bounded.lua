-- expect: harmless "quiet"

return function(...)
  for i = 1, 20000 do print(("x"):rep(100)) end
  return "quiet"
end
