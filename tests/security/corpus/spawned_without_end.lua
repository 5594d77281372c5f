-- expect: limit
-- instructions: 2000000000

return function(...)
  while true do coroutine.spawn(function() time.sleep("1h") end) end
end
