--- What an approval has to look like, and who may decide about it. The HTTP handlers ask first, so that a client is told;
-- the workflow asks again, because anybody who can reach Temporal can send it a signal.

local errors = require("errors")
local time = require("time")

local M = {}

--- The name under which the live list is found on its host.
M.board = "approvals.board"

local WAITS <const> = { remind_every = "24h", escalate_after = "72h", expire_after = "168h" }

local TEXTS = {
  { name = "title", most = 200, required = true },
  { name = "note", most = 2000 },
  { name = "requester", most = 100, required = true },
  { name = "approver", most = 100, required = true },
  { name = "manager", most = 100 },
}
local FIELDS = { id = true, policy = true }
for _, field in ipairs(TEXTS) do
  FIELDS[field.name] = true
end

local function refuse(kind, text, ...)
  return nil, errors.new({ kind = kind, message = text:format(...), retryable = false })
end

local function is_text(value)
  return type(value) == "string" and value:find("%S") ~= nil
end

--- Whether a value can be an approval's id: safe in a path and in a PID, and no path of its own.
function M.is_id(value)
  return is_text(value) and #value <= 100 and not value:find("[^%w._-]") and not value:find("^%.+$") and value ~= "live"
end

--- → the request's own fields | nil, INVALID naming the field and what is wrong with it
function M.request(body)
  if type(body) ~= "table" or #body > 0 then
    return refuse(errors.INVALID, "an approval must be an object")
  end
  if body.id ~= nil and not M.is_id(body.id) then
    return refuse(errors.INVALID, "id must be 1 to 100 letters, digits, dots, dashes or underscores")
  end
  local request = { id = body.id }
  for _, field in ipairs(TEXTS) do
    local value = body[field.name]
    if value == nil and field.required then
      return refuse(errors.INVALID, "%s is missing", field.name)
    elseif value ~= nil and (not is_text(value) or #value > field.most) then
      return refuse(errors.INVALID, "%s must be text of 1 to %d bytes", field.name, field.most)
    end
    request[field.name] = value
  end
  for name in pairs(body) do
    if not FIELDS[name] then
      return refuse(errors.INVALID, "unknown field '%s'", name)
    end
  end
  if request.requester == request.approver or request.requester == request.manager then
    return refuse(errors.INVALID, "%s cannot approve a request of their own", request.requester)
  end
  return request
end

--- How long an approval waits: what `given` says, else `defaults`, else a week in all. → table | nil, INVALID
function M.waits(given, defaults)
  if given ~= nil and type(given) ~= "table" then
    return refuse(errors.INVALID, "policy must be an object")
  end
  local policy = {}
  for name, usual in pairs(WAITS) do
    policy[name] = (given or {})[name] or (defaults or {})[name] or usual
    if type(policy[name]) ~= "string" then
      return refuse(errors.INVALID, "policy.%s must be text", name)
    end
    local duration, bad = time.parse_duration(policy[name])
    if bad or duration <= 0 then
      return refuse(errors.INVALID, "policy.%s must be a positive duration, such as 24h", name)
    end
  end
  for name in pairs(given or {}) do
    if not WAITS[name] then
      return refuse(errors.INVALID, "unknown field 'policy.%s'", name)
    end
  end
  return policy
end

--- Whether two requests ask for the same.
function M.same(a, b)
  for _, field in ipairs(TEXTS) do
    if a[field.name] ~= b[field.name] then
      return false
    end
  end
  return true
end

function M.is_open(approval)
  return approval.status == "waiting" or approval.status == "escalated"
end

--- What `topic` (approve, reject, withdraw) from `data` {by, why?} does to an approval.
-- → {status, by, why?} | nil, INVALID for what is no decision, PERMISSION_DENIED for who may not, CONFLICT when it is too late
function M.decision(approval, topic, data)
  local status = ({ approve = "approved", reject = "rejected", withdraw = "withdrawn" })[topic]
  if not status then
    return refuse(errors.INVALID, "an approval has no use for '%s'", topic)
  elseif type(data) ~= "table" or not is_text(data.by) then
    return refuse(errors.INVALID, "by is missing: say who decides")
  elseif data.why ~= nil and type(data.why) ~= "string" then
    return refuse(errors.INVALID, "why must be text")
  elseif topic == "reject" and not is_text(data.why) then
    return refuse(errors.INVALID, "why is missing: a rejection needs a reason")
  elseif not M.is_open(approval) then
    return refuse(errors.CONFLICT, "%s is %s already", approval.id, approval.status)
  elseif topic == "withdraw" and data.by ~= approval.requester then
    return refuse(errors.PERMISSION_DENIED, "only %s, who asked, may withdraw", approval.requester)
  elseif topic ~= "withdraw" and data.by ~= approval.approver and data.by ~= approval.manager then
    return refuse(errors.PERMISSION_DENIED, "%s was not asked; the decision is up to %s", data.by, approval.waiting_for)
  end
  return { status = status, by = data.by, why = data.why }
end

return M
