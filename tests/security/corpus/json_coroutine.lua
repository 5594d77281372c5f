-- expect: error is a coroutine, which cannot leave the script

return function(...)
  return { coroutine.create(print) }
end
