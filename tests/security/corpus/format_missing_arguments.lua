-- expect: error bad argument #2 to 'format'

return function(...)
  return ("%s%s"):format()
end
