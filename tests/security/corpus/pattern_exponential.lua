-- expect: harmless null

return function(...)
  return (("a"):rep(28)):find(("a-"):rep(28) .. "b")
end
