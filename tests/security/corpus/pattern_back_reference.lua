-- expect: budget

return function(...)
  return (("a"):rep(30000)):find("(a*)%1b")
end
