-- expect: error is part of a cycle

return function(...)
  local t = {}
  t.t = t
  return t
end
