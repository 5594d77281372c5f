--- The shop's own HTTP interface: take an order, look at it, decide about it. The order's id is its workflow's id.

local env = require("env")
local errors = require("errors")
local hash = require("hash")
local http = require("http")
local http_client = require("http_client")
local json = require("json")
local process = require("process")
local sql = require("sql")
local uuid = require("uuid")

local order_input = require("order_input")

local M = {}

local function pid_of(id)
  return "{app:worker|" .. id .. "}"
end

--- The id in the path. → text | nil, NOT_FOUND when no order can have it
local function id_of(request)
  local id = request:param("id")
  if not order_input.is_id(id) then
    return nil, errors.new({ kind = errors.NOT_FOUND, message = "no order has an id like that" })
  end
  return id
end

local function accepted(answer)
  local response = http.response()
  response:set_status(http.STATUS.ACCEPTED)
  response:write_json(answer)
end

--- The request's JSON body; an empty table when there is none. → table | nil, INVALID
local function body()
  local request = http.request()
  if not request:has_body() then
    return {}
  end
  return request:body_json()
end

local function key_reused()
  local response = http.response()
  response:set_status(422)
  response:set_content_type("application/problem+json")
  response:write(json.encode({ status = 422, title = "Conflict", detail = "the Idempotency-Key was used for another order" }))
end

--- The order that a key stands for: the one whose request had it first. → its id | nil, error
local function ordered_by(key, order)
  local db, unavailable = sql.get("app:shop_db")
  if unavailable then
    return nil, unavailable
  end
  local said = hash.sha256(json.encode(order))
  assert(db:execute("CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, said TEXT NOT NULL, id TEXT NOT NULL)"))
  assert(db:execute("INSERT INTO keys VALUES (?, ?, ?) ON CONFLICT DO NOTHING", { key, said, order.id or uuid.v7() }))
  local rows = assert(db:query("SELECT said, id FROM keys WHERE key = ?", { key }))
  return rows[1].said == said and rows[1].id
end

--- An order is placed once: neither while it runs nor after it ended may the same id start another.
-- → pid, whether it was placed before | nil, false, error
local function place(order, key)
  local spawner = process.with_options({
    ["workflow.id"] = order.id,
    ["workflow.id_conflict_policy"] = "fail",
    ["workflow.id_reuse_policy"] = "reject_duplicate",
  })
  local pid, refused = spawner:spawn("app:order_workflow", "app:worker", order)
  if refused and key and errors.is(refused, errors.ALREADY_EXISTS) then
    return pid_of(order.id), true
  end
  return pid, false, refused
end

--- POST /orders: 202 at once; the order goes on by itself. A repeat with the same Idempotency-Key is the same order.
function M.create()
  local input, unreadable = body()
  if unreadable then
    return nil, unreadable
  end
  local order, invalid = order_input.check(input)
  if invalid then
    return nil, invalid
  end
  local key = http.request():header("Idempotency-Key")
  local id, unavailable = order.id or uuid.v7(), nil
  if key then
    id, unavailable = ordered_by(key, order)
  end
  if unavailable then
    return nil, unavailable
  elseif not id then
    return key_reused()
  end
  order.id = id
  local pid, is_repeat, refused = place(order, key)
  if refused then
    return nil, refused
  end
  if is_repeat then
    http.response():set_header("Idempotency-Replayed", "true")
  end
  http.response():set_header("Location", "/orders/" .. order.id)
  accepted({ id = order.id, pid = pid, amount = order.amount, run = "/api/v1/runs/" .. order.id })
end

--- GET /orders/{id}: what the order service knows.
function M.show()
  local base, unset = env.get("ORDER_URL")
  if unset then
    return nil, unset
  end
  local id, unknown = id_of(http.request())
  if unknown then
    return nil, unknown
  end
  local answer, unreachable = http_client.get(base .. "/orders/" .. id)
  if unreachable then
    return nil, unreachable
  end
  if answer.status_code == 404 then
    return nil, errors.new({ kind = errors.NOT_FOUND, message = "no order " .. id })
  end
  return json.decode(answer.body)
end

--- POST /orders/{id}/approve and /cancel: the body goes to the waiting order as a message.
local function decide(topic)
  local message, unreadable = body()
  if unreadable then
    return nil, unreadable
  end
  local id, unknown = id_of(http.request())
  if unknown then
    return nil, unknown
  end
  local _, gone = process.send(pid_of(id), topic, message)
  if gone then
    return nil, gone
  end
  accepted({ id = id, sent = topic })
end

function M.approve()
  return decide("approve")
end

function M.cancel()
  return decide("cancel")
end

return M
