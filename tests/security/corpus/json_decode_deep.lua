-- expect: error nested deeper than 128

return function(...)
  local _, e = json.decode(("["):rep(100000))
  error(e)
end
