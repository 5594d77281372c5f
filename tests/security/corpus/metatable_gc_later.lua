-- expect: error depends on garbage collection

return function(...)
  local meta = {}
  for i = 1, 1000 do setmetatable({}, meta) end
  meta.__gc = function() error("ran") end
end
