-- expect: denied module 'io' is not listed

return function(...)
  require("io")
end
