--- An approval: waits for somebody's decision, for days if need be. It reminds whoever is asked, turns to the manager when
-- the approver does not answer, and expires when nobody does. What it waits for is durable: hosts may come and go.
--
--   messages   approve {by, why?}, reject {by, why}, withdraw {by, why?}
--   query      state: the approval as it stands
--   result     the same, once it is decided

local channel = require("channel")
local errors = require("errors")
local funcs = require("funcs")
local logger = require("logger")
local process = require("process")
local time = require("time")
local workflow = require("workflow")

local rules = require("rules")

local function now()
  return time.now():utc():format(time.RFC3339)
end

--- Puts the approval on the list that people look at. That the list cannot be told does not stop a decision.
local function record(approval)
  approval.revision = approval.revision + 1
  workflow.status(approval.decided_by and approval.status .. " by " .. approval.decided_by
    or rules.is_open(approval) and "waiting for " .. approval.waiting_for
    or approval.status)
  local _, err = funcs.call("approvals:record", approval)
  if err then
    logger:warn("the list was not told", { approval = approval.id, error = tostring(err) })
  end
end

--- Writes to somebody. That nobody could be told does not stop a decision either.
local function notify(approval, to, subject)
  approval.letters = approval.letters + 1
  local letter = {
    approval = approval.id,
    number = approval.letters,
    to = to,
    subject = subject,
    title = approval.title,
    at = now(),
  }
  local _, err = funcs.call("approvals:notify", letter)
  if err then
    logger:warn("nobody was told", { approval = approval.id, to = to, error = tostring(err) })
  end
end

local function remind(approval)
  approval.reminders = approval.reminders + 1
  notify(approval, approval.waiting_for, "reminder " .. approval.reminders)
  record(approval)
end

local function escalate(approval)
  approval.status = "escalated"
  approval.waiting_for = approval.manager
  notify(approval, approval.manager, approval.approver .. " does not answer; it is up to you")
  record(approval)
end

--- What a message decides. → {status, by, why?} | nothing when it decides nothing
local function decision(approval, message)
  local payload = message:payload()
  local data = type(payload) == "userdata" and payload:data() or nil
  local decided, useless = rules.decision(approval, message:topic(), data)
  if useless then
    logger:warn("a message was ignored", { approval = approval.id, topic = message:topic(), reason = tostring(useless) })
  end
  return decided
end

--- Waits. → {status, by?, why?} | nil, CANCELED
local function decided(approval, policy)
  local inbox = process.inbox()
  local expiry, escalation = time.after(policy.expire_after), time.after(policy.escalate_after)
  local reminder = time.ticker(policy.remind_every)
  while true do
    -- The first that is ready wins, so a decision that came in time is heard even when the time is up as well.
    local waits = { inbox:case_receive(), expiry:case_receive(), reminder:channel():case_receive() }
    if approval.manager and approval.status == "waiting" then
      table.insert(waits, 3, escalation:case_receive())
    end
    local picked = channel.select(waits)
    if picked.error then
      return nil, picked.error
    elseif picked.channel == inbox then
      local outcome = decision(approval, picked.value)
      if outcome then
        return outcome
      end
    elseif picked.channel == expiry then
      return { status = "expired", why = "nobody decided within " .. policy.expire_after }
    elseif picked.channel == escalation then
      escalate(approval)
      reminder:stop() -- the manager gets as long as the approver had until the first reminder
      reminder = time.ticker(policy.remind_every)
    else
      remind(approval)
    end
  end
end

local function close(approval, outcome)
  approval.status, approval.decided_by, approval.why = outcome.status, outcome.by, outcome.why
  approval.decided_at, approval.waiting_for = now(), nil
  record(approval)
  notify(approval, approval.requester, outcome.by and outcome.status .. " by " .. outcome.by or outcome.status)
end

local function main(input)
  local request, invalid = rules.request(input)
  if invalid then
    return nil, invalid
  end
  local policy, bad = rules.waits(input.policy)
  if bad then
    return nil, bad
  end
  local approval = {
    id = workflow.info().workflow_id,
    pid = process.pid(),
    title = request.title,
    note = request.note,
    requester = request.requester,
    approver = request.approver,
    manager = request.manager,
    status = "waiting",
    waiting_for = request.approver,
    reminders = 0,
    letters = 0,
    revision = 0,
    opened_at = now(),
    expires_at = time.now():utc():add(policy.expire_after):format(time.RFC3339),
  }
  workflow.query("state", function() return approval end)
  record(approval)
  notify(approval, approval.approver, "your decision is asked for")

  local outcome, err = decided(approval, policy)
  if err then
    workflow.detached(function() close(approval, { status = "canceled", why = tostring(err) }) end)
    return nil, err
  end
  close(approval, outcome)
  return approval
end

return { main = main }
