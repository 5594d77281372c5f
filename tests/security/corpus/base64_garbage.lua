-- expect: error illegal base64

return function(...)
  local v, e = base64.decode(("!"):rep(100000))
  error(e)
end
