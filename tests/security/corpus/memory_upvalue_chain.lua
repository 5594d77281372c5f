-- expect: memory
-- instructions: 2000000000

return function(...)
  local list
  while true do list = { next = list } end
end
