-- expect: error missing '['

return function(...)
  return ("x"):find("%f")
end
