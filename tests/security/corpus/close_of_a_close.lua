-- expect: error first

return function(...)
  local a <close> = setmetatable({}, { __close = function() error("second", 0) end })
  local b <close> = setmetatable({}, { __close = function() error("first", 0) end })
  return 1
end
