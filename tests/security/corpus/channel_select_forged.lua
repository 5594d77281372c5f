-- expect: error an array of channel cases expected

return function(...)
  channel.select({ { kind = "receive", state = {}, channel = {} } })
end
