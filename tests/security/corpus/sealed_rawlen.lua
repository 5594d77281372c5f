-- expect: error bad argument #1 to 'rawlen'

return function(...)
  rawlen(channel.new())
end
