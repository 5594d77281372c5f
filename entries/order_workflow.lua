--- The order saga: three services agree on an order, or none of them keeps a trace of it.
--
--   create_order     undone by cancel_order
--   reserve_stock    undone by cancel_reservation
--   create_payment   undone by refund_payment
--   approve_payment
--   (a large order waits for the message `approve` or `cancel`)
--   confirm_order, confirm_reservation, confirm_payment, then notify
--
-- Every step is an activity: it is retried under its own policy, and its answer is kept in Temporal's history, so a run
-- goes on after a crash where it was. A run whose order fails *completes*, and says what was done and what undone.

local channel = require("channel")
local errors = require("errors")
local funcs = require("funcs")
local logger = require("logger")
local process = require("process")
local saga = require("saga")
local time = require("time")
local workflow = require("workflow")

local order_input = require("order_input")
local policy = require("order_policy")

local PREPARE = {
  { name = "create_order", undo = "app:cancel_order" },
  { name = "reserve_stock", undo = "app:cancel_reservation" },
  { name = "create_payment", undo = "app:refund_payment" },
  { name = "approve_payment" },
}
local CONFIRM = { "confirm_order", "confirm_reservation", "confirm_payment" }

-- Answers that mean "no, and nothing happened". After any other failure nobody knows, so the step is undone too.
local REFUSALS = { errors.INVALID, errors.CONFLICT, errors.NOT_FOUND, errors.ALREADY_EXISTS, errors.PERMISSION_DENIED }

local function is_refusal(err)
  for _, kind in ipairs(REFUSALS) do
    if errors.is(err, kind) then
      return true
    end
  end
  return false
end

local function perform(run, name)
  workflow.status(name)
  return funcs.call("app:" .. name, run.request)
end

--- Tells somebody something. That nobody could be told does not undo an order.
local function notify(run, recipient, event, text)
  local message = { saga_id = run.request.saga_id, recipient = recipient, event = event, text = text }
  local _, err = funcs.call("app:notify", message)
  if err then
    logger:warn("nobody was told", { event = event, error = tostring(err) })
  end
end

--- → true | nil, the step that failed, its error
local function prepare(run)
  for _, step in ipairs(PREPARE) do
    local answer, err = perform(run, step.name)
    if step.undo and not (err and is_refusal(err)) then
      run.undo:add(step.undo, { saga_id = run.request.saga_id })
    end
    if err then
      return nil, step.name, err
    end
    if step.undo then
      table.insert(run.done, step)
    end
    run.answers[step.name] = answer
  end
  return true
end

--- The reason a `cancel` message gives, as {reason = text} or as plain text.
local function reason_of(message)
  local payload = message:payload()
  local data = type(payload) == "userdata" and payload:data() or nil
  if type(data) == "table" then
    data = data.reason
  end
  return type(data) == "string" and data or "no reason given"
end

--- What a message of the inbox decides. → true | nil, error | nothing when it decides nothing
local function decision(message)
  if message:topic() == "approve" then
    return true
  end
  if message:topic() == "cancel" then
    return nil, errors.new("OrderCanceled", "the order was canceled: " .. reason_of(message))
  end
  logger:warn("a message of no use to an order", { topic = message:topic(), from = message:from() })
end

--- Waits for `approve` or `cancel`. → true | nil, error
local function await_approval(run)
  local inbox = process.inbox()
  local deadline = time.after(policy.approval_within)
  local reminder = time.ticker(policy.reminder_every)
  workflow.status("waiting for approval")
  while true do
    local picked = channel.select({
      inbox:case_receive(),
      deadline:case_receive(),
      reminder:channel():case_receive(),
    })
    local approved, err
    if picked.error then -- the run was canceled
      approved, err = nil, picked.error
    elseif picked.channel == inbox then
      approved, err = decision(picked.value)
    elseif picked.channel == deadline then
      err = errors.new(errors.TIMEOUT, "nobody approved the order within " .. policy.approval_within)
    else
      notify(run, "staff", "approval_reminder", "the order " .. run.request.order_id .. " waits for approval")
    end
    if approved or err then
      reminder:stop()
      return approved, err
    end
  end
end

--- → true | nil, the step that failed, its error
local function confirm(run)
  for _, name in ipairs(CONFIRM) do
    local _, err = perform(run, name)
    if err then
      return nil, name, err
    end
  end
  return true
end

--- → true | nil, the step that failed, its error
local function forward(run)
  local ok, step, err = prepare(run)
  if ok and run.request.amount > policy.approval_above then
    ok, err = await_approval(run)
    step = "approval"
  end
  if not ok then
    return nil, step, err
  end
  return confirm(run)
end

--- Undoes everything, last step first. → the names of the steps undone, in that order; what could not be undone
local function undo(run)
  local _, failures = run.undo:compensate()
  local failed = {}
  for _, failure in ipairs(failures or {}) do
    failed[failure.id] = tostring(failure.error)
  end
  local undone, left = {}, {}
  for number = #run.done, 1, -1 do
    local step = run.done[number]
    if failed[step.undo] then
      table.insert(left, { step = step.name, error = failed[step.undo] })
    else
      table.insert(undone, step.name)
    end
  end
  return undone, left
end

local function failure(run, step, err)
  workflow.status("undoing: " .. step .. " failed")
  local undone, left = undo(run)
  if errors.is(err, errors.CANCELED) then
    return nil, err -- the run was canceled, and closes as that
  end
  local steps = {}
  for number, done in ipairs(run.done) do
    steps[number] = done.name
  end
  local details = err:details() or {}
  workflow.status("failed at " .. step)
  return {
    success = false,
    status = "failed",
    order_id = run.request.order_id,
    workflow_id = run.request.saga_id,
    step = step,
    error = err:message(),
    kind = err:kind(),
    attempts = details.attempt,
    steps = steps,
    compensations = undone,
    not_undone = #left > 0 and left or nil,
  }
end

local function success(run)
  local request = run.request
  workflow.status("telling the customer")
  notify(run, request.customer, "order_completed", "your order " .. request.order_id .. " is on its way")
  workflow.status("completed")
  return {
    success = true,
    status = "completed",
    order_id = request.order_id,
    payment_id = run.answers.create_payment.payment_id,
    workflow_id = request.saga_id,
  }
end

local function main(input)
  local order, invalid = order_input.check(input)
  if invalid then
    return nil, invalid
  end
  local saga_id = workflow.info().workflow_id
  local run = {
    request = {
      saga_id = saga_id,
      order_id = order.id or saga_id,
      customer = order.customer,
      amount = order.amount,
      items = order.items,
    },
    undo = saga.new(),
    done = {}, -- the steps that succeeded and can be undone
    answers = {},
  }
  local ok, step, err = forward(run)
  if not ok then
    return failure(run, step, err)
  end
  return success(run)
end

return { main = main }
