-- expect: error decryption failed

return function(...)
  local key = ("k"):rep(32)
  local v, e = crypto.decrypt.chacha20(("x"):rep(64), key)
  error(e)
end
