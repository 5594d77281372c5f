-- expect: error bad self of 'receive'

return function(...)
  channel.new().receive({ buffer = {}, senders = {} })
end
