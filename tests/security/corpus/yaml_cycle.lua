-- expect: error contains itself

return function(...)
  local v, e = yaml.decode("&a [*a]")
  error(e)
end
