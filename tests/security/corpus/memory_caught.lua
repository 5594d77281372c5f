-- expect: memory
-- instructions: 2000000000

return function(...)
  while true do pcall(function() local s = "x" while true do s = s .. s end end) end
end
