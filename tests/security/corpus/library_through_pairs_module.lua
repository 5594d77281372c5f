-- expect: harmless true

return function(...)
  local _, view = pairs(process)
  return not pcall(function() view.pid = function() return "someone else" end end)
end
