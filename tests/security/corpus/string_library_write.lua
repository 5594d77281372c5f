-- expect: error library 'string' is read-only

return function(...)
  string.format = function() return "pwned" end
end
