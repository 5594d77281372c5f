-- expect: budget

return function(...)
  local text = ("- x\n"):rep(20000)
  while true do yaml.decode(text) end
end
