-- expect: error bad argument #2 to 'retry'

return function(...)
  return outcome.retry("x", "\xff")
end
