-- expect: error bad argument #1 to 'unpack'

return function(...)
  return table.unpack(errors.new("x"))
end
