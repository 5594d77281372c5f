-- expect: denied module 'http_client' is not listed

return function(...)
  require("http_client")
end
