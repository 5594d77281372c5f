-- expect: memory
-- instructions: 2000000000

return function(...)
  local all = {}
  while true do all[#all + 1] = coroutine.create(function() end) end
end
