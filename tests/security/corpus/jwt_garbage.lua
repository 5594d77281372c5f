-- expect: error not a JSON web token

return function(...)
  local v, e = crypto.jwt.verify("a.b.c", "key")
  error(e)
end
