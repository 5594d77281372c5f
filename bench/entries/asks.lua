-- `count` times there and back.
return function(whom, count)
  local inbox = process.inbox()
  for i = 1, count do
    process.send(whom, "there", i)
    inbox:receive()
  end
  return count
end
