-- expect: budget

return function(...)
  while true do crypto.random.bytes(1048576) end
end
