-- expect: budget

return function(...)
  local format = ("%c"):rep(30000)
  while true do os.date(format) end
end
