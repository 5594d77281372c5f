-- expect: error compare

return function(...)
  return time.now() < 5
end
