-- expect: limit
-- instructions: 2000000000

return function(...)
  while true do process.send(process.pid(), "topic", 1) end
end
