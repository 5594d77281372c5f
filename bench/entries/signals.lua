-- Ends after `count` messages.
return function(count)
  local inbox = process.inbox()
  for _ = 1, count do
    inbox:receive()
  end
  return count
end
