-- expect: error an array of futures expected

return function(...)
  funcs.all({ { pending = { done = true, ok = true, value = "forged" } } })
end
