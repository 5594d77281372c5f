-- expect: harmless "Invalid"

return function(...)
  local v, e = process.spawn("no colon", "host")
  return e:kind()
end
