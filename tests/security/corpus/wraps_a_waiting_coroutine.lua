-- expect: error cannot resume non-suspended coroutine

return function(...)
  local f = coroutine.wrap(function() time.sleep("1s") end)
  coroutine.spawn(function() f() end)
  f()
end
