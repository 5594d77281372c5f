-- expect: denied module 'kernel/main' is not listed

return function(...)
  require("kernel/main")
end
