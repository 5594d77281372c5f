-- expect: budget

return function(...)
  while true do os.date(("%Y"):rep(1000000)) end
end
