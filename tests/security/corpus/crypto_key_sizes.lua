-- expect: error the key has 3 bytes

return function(...)
  local v, e = crypto.encrypt.aes("x", "key")
  error(e)
end
