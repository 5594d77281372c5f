-- expect: harmless [false,false,false,false]

return function(...)
  return { getmetatable(channel.new()), getmetatable(errors.new("x")), getmetatable(time.now()), getmetatable(payload.new(1)) }
end
