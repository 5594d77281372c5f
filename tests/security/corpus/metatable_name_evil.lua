-- expect: harmless "table: 1"

return function(...)
  return tostring(setmetatable({}, { __name = {} }))
end
