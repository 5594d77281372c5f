-- expect: error attempt to call a number value

return function(...)
  local t = setmetatable({}, { __lt = 1 })
  return t < t
end
