-- expect: budget

return function(...)
  local s = ("x"):rep(10000000)
  while true do hash.sha512(s) end
end
