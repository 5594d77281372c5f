-- expect: limit
-- instructions: 2000000000

return function(...)
  while true do funcs.async("no:such") end
end
