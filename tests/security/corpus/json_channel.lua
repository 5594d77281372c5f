-- expect: error is a channel, which cannot leave the script

return function(...)
  return { channel.new() }
end
