-- expect: memory
-- instructions: 2000000000

return function(...)
  local t, i = {}, 0
  while true do i = i + 1 t[("k"):rep(1000) .. i] = true end
end
