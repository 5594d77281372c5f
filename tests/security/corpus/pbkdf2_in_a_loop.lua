-- expect: budget

return function(...)
  while true do crypto.pbkdf2("p", "s", 100000, 32) end
end
