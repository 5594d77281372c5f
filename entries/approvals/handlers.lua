--- POST /approvals and what can be done with one. An approval's id is its workflow's id.

local env = require("env")
local errors = require("errors")
local http = require("http")
local process = require("process")
local uuid = require("uuid")

local rules = require("rules")

local POLICY = {
  remind_every = "APPROVAL_REMIND_EVERY",
  escalate_after = "APPROVAL_ESCALATE_AFTER",
  expire_after = "APPROVAL_EXPIRE_AFTER",
}

local M = {}

local function pid_of(id)
  return "{approvals:worker|" .. id .. "}"
end

--- The approval as its workflow sees it. → table | nil, NOT_FOUND
local function state_of(id)
  local state, err
  if rules.is_id(id) then
    state, err = process.query(pid_of(id), "state")
  end
  if state or (err and not errors.is(err, errors.NOT_FOUND)) then
    return state, err
  end
  return nil, errors.new({ kind = errors.NOT_FOUND, message = "no approval " .. id, retryable = false })
end

--- What the host's environment says about waiting, which a workflow cannot read. → table | nil, INTERNAL
local function usual()
  local found = {}
  for name, variable in pairs(POLICY) do
    found[name] = env.get(variable)
  end
  local _, bad = rules.waits(found)
  if bad then
    return nil, errors.new({ kind = errors.INTERNAL, message = "the environment: " .. tostring(bad), retryable = false })
  end
  return found
end

local function answer(status, approval)
  local response = http.response()
  response:set_header("Location", "/approvals/" .. approval.id)
  response:set_status(status)
  response:write_json(approval)
end

--- The id is taken: the same request again gets the same answer, another one is refused.
local function repeated(request)
  local approval, err = state_of(request.id)
  if err then
    return nil, err
  end
  if not rules.same(approval, request) then
    local message = "another approval has the id " .. request.id
    return nil, errors.new({ kind = errors.CONFLICT, message = message, retryable = false })
  end
  http.response():set_header("Idempotency-Replayed", "true")
  answer(http.STATUS.OK, approval)
end

--- POST /approvals {title, requester, approver, id?, note?, manager?, policy?}: 202 at once; 200 when it was asked for before.
function M.create()
  local body, unreadable = http.request():body_json()
  if unreadable then
    return nil, unreadable
  end
  local request, invalid = rules.request(body)
  if invalid then
    return nil, invalid
  end
  local defaults, unusable = usual()
  if unusable then
    return nil, unusable
  end
  request.policy, invalid = rules.waits(body.policy, defaults)
  if invalid then
    return nil, invalid
  end
  request.id = request.id or uuid.v7()
  local spawner = process.with_options({
    ["workflow.id"] = request.id,
    ["workflow.id_conflict_policy"] = "fail",
    ["workflow.id_reuse_policy"] = "reject_duplicate",
  })
  local pid, refused = spawner:spawn("approvals:approval", "approvals:worker", request)
  if refused and errors.is(refused, errors.ALREADY_EXISTS) then
    return repeated(request)
  elseif refused then
    return nil, refused
  end
  answer(http.STATUS.ACCEPTED, { id = request.id, pid = pid, run = "/api/v1/runs/" .. request.id })
end

--- GET /approvals/{id}: what the run itself answers, also when it is over.
function M.show()
  return state_of(http.request():param("id"))
end

--- The body {by, why?} goes to the waiting run as a signal. 202: the run has it, and decides the moment it reads it.
local function decide(topic)
  local request = http.request()
  local data, unreadable = request:body_json()
  if unreadable then
    return nil, unreadable
  end
  local approval, unknown = state_of(request:param("id"))
  if unknown then
    return nil, unknown
  end
  local _, refused = rules.decision(approval, topic, data)
  if refused then
    return nil, refused
  end
  local _, gone = process.send(approval.pid, topic, { by = data.by, why = data.why })
  if gone then
    return nil, gone
  end
  answer(http.STATUS.ACCEPTED, { id = approval.id, sent = topic })
end

function M.approve()
  return decide("approve")
end

function M.reject()
  return decide("reject")
end

function M.withdraw()
  return decide("withdraw")
end

return M
