-- expect: error bad argument #1 to 'get'

return function(...)
  ctx.get({})
end
