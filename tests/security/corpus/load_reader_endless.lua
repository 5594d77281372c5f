-- expect: memory
-- instructions: 2000000000

return function(...)
  local big = ("x"):rep(1000000)
  load(function() return big end)
end
