-- expect: budget

return function(...)
  load("while true do end", "=?")()
end
