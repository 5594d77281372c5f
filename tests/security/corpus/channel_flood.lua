-- expect: limit
-- instructions: 2000000000

return function(...)
  local ch = channel.new(math.maxinteger)
  while true do ch:send({}) end
end
