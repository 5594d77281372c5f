-- expect: budget

return function(...)
  local v, e = hash.fnv64(("x"):rep(20000000))
  error(e)
end
