-- expect: harmless true

return function(...)
  return channel.new(math.maxinteger):send(1)
end
