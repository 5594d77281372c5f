--- Telling people: what they are to be told is kept, and goes out when it is kept, in one transaction.

local activity = require("activity")
local outbox = require("outbox")
local sql = require("sql")

local TABLE = "CREATE TABLE IF NOT EXISTS told (id TEXT PRIMARY KEY, saga_id TEXT, recipient TEXT, event TEXT, text TEXT)"
local KEEP = "INSERT INTO told VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

--- An attempt that comes again after its transaction was committed finds the same id kept, and adds the same message.
local function notify(message)
  local id = activity.idempotency_key()
  local tx, unavailable = sql.get("app:shop_db"):begin()
  if unavailable then
    return nil, unavailable
  end
  assert(tx:execute(TABLE))
  assert(tx:execute(KEEP, { id, message.saga_id, message.recipient, message.event, message.text }))
  assert(outbox.add("app:notifications", message, { id = id }))
  local _, failed = tx:commit()
  if failed then
    return nil, failed
  end
  return { id = id }
end

return { notify = notify }
