-- expect: error string slice too long

return function(...)
  return utf8.codepoint(("x"):rep(5000000), 1, -1)
end
