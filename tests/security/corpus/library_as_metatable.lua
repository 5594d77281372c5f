-- expect: harmless "nil"

return function(...)
  local t = setmetatable({}, string)
  return type(t.format)
end
