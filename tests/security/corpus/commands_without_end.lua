-- expect: error limit of a step spent
-- instructions: 2000000000
-- memory: 268435456

return function(...)
  while true do time.after("1h") end
end
