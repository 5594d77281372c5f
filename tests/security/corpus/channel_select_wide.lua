-- expect: error all coroutines are blocked

return function(...)
  local cases = {}
  for i = 1, 2000 do cases[i] = channel.new():case_receive() end
  channel.select(cases)
end
