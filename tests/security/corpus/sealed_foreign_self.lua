-- expect: error bad self of 'send'

return function(...)
  local ch, e = channel.new(), errors.new("x")
  ch.send(e, 1)
end
