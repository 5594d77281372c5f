-- expect: error bad self of 'add'

return function(...)
  saga.new().add({ steps = {} }, "a:b")
end
