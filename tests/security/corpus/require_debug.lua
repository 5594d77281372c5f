-- expect: denied module 'debug' is not listed

return function(...)
  require("debug")
end
