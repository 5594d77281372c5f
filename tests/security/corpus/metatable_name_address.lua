-- expect: harmless "widget: 1"

return function(...)
  return tostring(setmetatable({}, { __name = "widget" }))
end
