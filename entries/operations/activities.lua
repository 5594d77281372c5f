--- The steps of a payment, each of which may be tried again after it has done its work.

local activity = require("activity")
local outbox = require("outbox")
local outcome = require("outcome")
local provider = require("provider")
local sql = require("sql")

local TABLE = "CREATE TABLE IF NOT EXISTS payments (op TEXT PRIMARY KEY, customer TEXT NOT NULL, number INTEGER NOT NULL)"
local KEEP = "INSERT INTO payments VALUES (?, ?, ?) ON CONFLICT DO NOTHING"

local M = {}

--- The key is that of the operation, so a payment is made once however often it is asked for.
function M.ask(order)
  local status, answer = provider.post("/charges", order.op, order)
  if not status then
    return nil, answer
  elseif status == 503 then
    return outcome.retry(answer.reason, "300ms")
  elseif status == 402 then
    return outcome.fail("Declined", answer.reason)
  end
  return outcome.ok(answer)
end

function M.finalize(payment)
  local tx, unavailable = sql.get("operations:db"):begin()
  if unavailable then
    return nil, unavailable
  end
  assert(tx:execute(TABLE))
  assert(tx:execute(KEEP, { payment.op, payment.customer, payment.number }))
  assert(outbox.add("operations:receipts", payment, { id = payment.op }))
  local _, failed = tx:commit()
  if failed then
    return nil, failed
  end
  provider.post("/points/committed", activity.idempotency_key(), payment) -- where the demo kills the worker
  return true
end

function M.refund(payment)
  local status, answer = provider.post("/refunds", payment.op, payment)
  if not status then
    return nil, answer
  end
  return true
end

return M
