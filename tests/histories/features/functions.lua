local F = {}

function F.echo(...) return ... end
function F.context() return ctx.all() end
function F.who()
  local actor, scope = security.actor(), security.scope()
  return { actor:id(), actor:meta(), tostring(scope), (security.can("funcs.call", "features:who")) }
end
function F.attempt() return activity.info().attempt end

function F.fails(kind) return nil, errors.new({ kind = kind, message = "refused", details = { kind = kind } }) end
function F.raises() error("broke") end
function F.declined() return outcome.fail("CardDeclined", "no funds", "51") end

function F.flaky()
  local attempt = activity.info().attempt
  if attempt < 3 then return nil, errors.new(errors.UNAVAILABLE, "attempt " .. attempt) end
  return attempt
end

function F.later()
  if activity.info().attempt == 1 then return outcome.retry("busy", "20ms") end
  return "done"
end

-- Heartbeats until it is canceled.
function F.patient()
  while not activity.is_canceled() do
    activity.heartbeat("alive")
    local _, err = time.sleep("20ms")
    if err then return nil, err end
  end
  return nil, errors.new(errors.CANCELED, "gave up")
end

function F.never() return time.sleep("1h") end

-- Tells the run that called it where to write, and answers with the sum of what comes.
function F.listens()
  local asked = process.listen("ask")
  assert(process.send(activity.info().workflow_pid, "here", process.pid()))
  local first, second = asked:receive(), asked:receive()
  return first + second
end

-- Tells the run that called it where it is, and answers with how it is asked to end.
function F.waits()
  local events, run = process.events(), activity.info().workflow_pid
  assert(process.send(run, "here", process.pid()))
  local event = events:receive()
  return { event.kind, event.reason, event.from == run }
end

function F.undo(step)
  if step == "second" then return nil, errors.new(errors.CONFLICT, "cannot be undone") end
  return step
end

return F
