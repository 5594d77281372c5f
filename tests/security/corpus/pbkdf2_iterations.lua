-- expect: error iterations

return function(...)
  local v, e = crypto.pbkdf2("p", "s", 1 << 40, 32)
  error(e)
end
