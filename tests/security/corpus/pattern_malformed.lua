-- expect: error malformed pattern

return function(...)
  return ("x"):find("[")
end
