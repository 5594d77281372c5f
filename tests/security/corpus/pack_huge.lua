-- expect: memory
-- instructions: 2000000000

return function(...)
  return #string.pack("c2000000000", "x")
end
