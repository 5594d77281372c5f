-- expect: error all coroutines are blocked

return function(...)
  channel.new():receive()
end
