-- expect: error nested deeper

return function(...)
  local v, e = yaml.decode(("["):rep(10000))
  error(e)
end
