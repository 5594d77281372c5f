-- expect: error stack overflow

return function(...)
  local t
  t = setmetatable({}, { __tostring = function() return tostring(t) end })
  tostring(t)
end
