-- expect: budget

return function(...)
  local t = {}
  while true do table.pack(table.unpack(t, 1, 200000)) end
end
