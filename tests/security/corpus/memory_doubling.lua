-- expect: memory
-- instructions: 2000000000

return function(...)
  local s = "x"
  while true do s = s .. s end
end
