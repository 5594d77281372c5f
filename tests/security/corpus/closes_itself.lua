-- expect: error cannot close a running coroutine

return function(...)
  coroutine.close(coroutine.running())
end
