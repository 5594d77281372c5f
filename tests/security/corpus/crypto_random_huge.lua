-- expect: error length

return function(...)
  local v, e = crypto.random.bytes(1 << 40)
  error(e)
end
