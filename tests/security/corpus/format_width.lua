-- expect: error invalid conversion

return function(...)
  return ("%999d"):format(1)
end
