local faults = require("faults")
local F = {}

function F.echo(v) return v end

-- Fails as `fields` say: kind, message, retryable, details.
function F.fails(fields)
  local err = errors.new(fields)
  return nil, errors.wrap(err, "in the activity")
end

-- The message tells how many attempts were made.
function F.counts(fields)
  return nil, errors.new({ kind = fields.kind, retryable = fields.retryable, message = "attempt " .. activity.info().attempt })
end

function F.waits(retry_after)
  if activity.info().attempt > 1 then return "done" end
  return nil, errors.new({ kind = errors.UNAVAILABLE, message = "busy", details = { retry_after = retry_after } })
end

local function deeper() error("broke") end
function F.raises() deeper() end

function F.never() return time.sleep("1h") end
function F.silent()
  activity.heartbeat({ step = 7 })
  return time.sleep("1h")
end

function F.returns_fault(name) return faults[name]() end
function F.returns_bytes() return payload.bytes("\xff\0raw") end
function F.length(text) return #text end

return F
