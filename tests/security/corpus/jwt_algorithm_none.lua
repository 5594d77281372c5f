-- expect: error unknown token algorithm

return function(...)
  local v, e = crypto.jwt.encode({ a = 1 }, "key", "none")
  error(e)
end
