-- expect: harmless true

return function(...)
  local t = require("time")
  local ok = pcall(function() t.sleep = nil end)
  return not ok and require("time") == t
end
