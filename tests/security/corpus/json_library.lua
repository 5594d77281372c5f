-- expect: error is a library table

return function(...)
  return { string }
end
