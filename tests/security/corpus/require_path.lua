-- expect: denied is not listed

return function(...)
  require("../../etc/passwd")
end
