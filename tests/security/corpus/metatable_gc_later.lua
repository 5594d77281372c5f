-- expect: harmless "no finaliser runs"

return function(...)
  -- Lua marks an object for its finaliser when the metatable is set, so one that comes later never runs.
  local meta = {}
  for i = 1, 1000 do setmetatable({}, meta) end
  meta.__gc = function() error("ran") end
  for i = 1, 100000 do local t = {} end
  return "no finaliser runs"
end
