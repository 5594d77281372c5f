-- expect: harmless "woken"

return function(...)
  local t = setmetatable({}, { __index = function() time.sleep("1s") return "woken" end })
  return t.x
end
