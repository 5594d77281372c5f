-- expect: error interval is empty

return function(...)
  return math.random(2, 1)
end
