-- `count` coroutines that wait for ever, and the first one for messages.
local channel = require("channel")

return function(count)
  local never = channel.new()
  for _ = 2, count do
    coroutine.spawn(function()
      never:receive()
    end)
  end
  local inbox = process.inbox()
  while true do
    inbox:receive()
  end
end
