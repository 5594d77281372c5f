-- Says that it is there, and waits for ever.
return function(whom)
  local inbox = process.inbox()
  process.send(whom, "up")
  while inbox:receive() do
  end
end
