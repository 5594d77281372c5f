-- expect: error bad argument #1 to 'concat'

return function(...)
  return table.concat(channel.new())
end
