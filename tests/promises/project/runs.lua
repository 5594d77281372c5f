-- One workflow for each promise.
local runs = {}

function runs.guarded(input) return { amount = input.amount + 1 } end

function runs.spins()
  while true do end
end

function runs.breaks()
  error(errors.new({ kind = "CardDeclined", message = "no more", retryable = false, details = { left = 0 } }))
end

function runs.context()
  return ctx.all()
end

-- The first message of topic "go": what it says, and from whom it is.
function runs.waits()
  local message = process.listen("go", { message = true }):receive()
  return { said = message:payload():data(), from = message:from() }
end

function runs.cleans_up()
  local event = process.events():receive()
  return { kind = event.kind, reason = event.reason }
end

function runs.retries() return funcs.call("p:flaky") end

function runs.late()
  local _, err = funcs.call("p:never")
  return { kind = err:kind(), timeout = err:details().timeout_type }
end

function runs.logs()
  logger:warn("something to see", { n = 1 })
  return true
end

-- A value that no server takes is refused where it is given, and the run goes on.
function runs.huge()
  local _, err = funcs.call("p:flaky", string.rep("x", 3 * 1024 * 1024))
  return { kind = err:kind(), message = err:message(), place = tostring(err:stack()) }
end

function runs.budgeted()
  local _, _, canceled = process.listen("never"):receive()
  return nil, canceled
end

return runs
