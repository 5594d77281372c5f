-- expect: denied is not listed

return function(...)
  require("time\0x")
end
