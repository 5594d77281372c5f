-- expect: error malformed pattern (ends with '%')

return function(...)
  return ("x"):find("%")
end
