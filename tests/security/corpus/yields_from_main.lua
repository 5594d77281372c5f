-- expect: error attempt to yield from outside a coroutine

return function(...)
  coroutine.yield(1)
end
