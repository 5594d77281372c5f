-- expect: error reserved

return function(...)
  local v, e = process.send(process.pid(), "@system", 1)
  error(e)
end
