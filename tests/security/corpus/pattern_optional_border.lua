-- expect: budget

return function(...)
  return string.find(("a"):rep(28), ("a?"):rep(28) .. ("a"):rep(28) .. "%f[b]")
end
