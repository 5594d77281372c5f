-- expect: error not a UUID

return function(...)
  local v, e = uuid.v5("\0\xff", "x")
  error(e)
end
