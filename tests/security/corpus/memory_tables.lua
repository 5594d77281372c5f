-- expect: memory
-- instructions: 2000000000

return function(...)
  local t = {}
  while true do t[#t + 1] = { {}, {} } end
end
