-- expect: budget

return function(...)
  local t = {}
  while true do string.format("x", table.unpack(t, 1, 200000)) end
end
