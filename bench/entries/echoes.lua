-- Sends back what comes.
return function()
  local inbox = process.inbox()
  while true do
    local message = inbox:receive()
    process.send(message:from(), "back", message:payload():data())
  end
end
