-- expect: harmless 1

return function(...)
  return string.find(("a"):rep(28), ("a?"):rep(28) .. ("a"):rep(28))
end
