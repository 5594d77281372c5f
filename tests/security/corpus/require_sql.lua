-- expect: denied module 'sql' is not listed

return function(...)
  require("sql")
end
