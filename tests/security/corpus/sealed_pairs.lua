-- expect: error cannot be iterated

return function(...)
  for k, v in pairs(channel.new()) do end
end
