-- expect: error functions

return function(...)
  error(errors.new({ message = "functions", details = { f = print, [print] = 1, t = coroutine.create(print) } }))
end
