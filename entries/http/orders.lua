--- The shop's own HTTP interface: take an order, look at it, decide about it. The order's id is its workflow's id.

local env = require("env")
local errors = require("errors")
local http = require("http")
local http_client = require("http_client")
local json = require("json")
local process = require("process")
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

--- POST /orders: 202 at once; the order goes on by itself.
function M.create()
  local input, unreadable = body()
  if unreadable then
    return nil, unreadable
  end
  local order, invalid = order_input.check(input)
  if invalid then
    return nil, invalid
  end
  order.id = order.id or uuid.v7()
  -- An order is placed once: neither while it runs nor after it ended may the same id start another.
  local spawner = process.with_options({
    ["workflow.id"] = order.id,
    ["workflow.id_conflict_policy"] = "fail",
    ["workflow.id_reuse_policy"] = "reject_duplicate",
  })
  local pid, refused = spawner:spawn("app:order_workflow", "app:worker", order)
  if refused then
    return nil, refused
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
