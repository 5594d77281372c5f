-- expect: error stack overflow

return function(...)
  local mt = {}
  mt.__concat = function(a, b) return a .. b end
  local t = setmetatable({}, mt)
  return t .. t
end
