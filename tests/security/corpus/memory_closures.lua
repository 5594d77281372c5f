-- expect: memory
-- instructions: 2000000000

return function(...)
  local f = function() end
  while true do local g = f f = function() return g end end
end
