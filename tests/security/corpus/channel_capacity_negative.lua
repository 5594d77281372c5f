-- expect: error capacity must not be negative

return function(...)
  channel.new(-1)
end
