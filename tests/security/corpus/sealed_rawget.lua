-- expect: error bad argument #1 to 'rawget'

return function(...)
  rawget(channel.new(), 1)
end
