-- expect: error cannot change a protected metatable

return function(...)
  local t = setmetatable({}, { __metatable = "locked" })
  setmetatable(t, {})
end
