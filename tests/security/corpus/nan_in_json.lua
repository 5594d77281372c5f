-- expect: error which JSON cannot hold

return function(...)
  return 0 / 0
end
