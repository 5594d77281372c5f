-- expect: error

return function(...)
  local v, e = crypto.jwt.verify("e30." .. base64.encode(("["):rep(99999)) .. ".x", "key")
  error(e)
end
