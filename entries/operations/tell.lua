--- Called with each message of the queue `receipts`: the customer gets his receipt, once for each id.

local provider = require("provider")
local queue = require("queue")

return function(payment)
  local status, answer = provider.post("/receipts", queue.message():id(), payment)
  if not status then
    return nil, answer
  end
end
