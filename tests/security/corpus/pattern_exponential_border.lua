-- expect: budget

return function(...)
  return (("a"):rep(28)):find(("a-"):rep(28) .. "%f[b]")
end
