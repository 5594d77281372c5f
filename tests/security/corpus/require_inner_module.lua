-- expect: denied module 'time_duration' is not listed

return function(...)
  require("time_duration")
end
