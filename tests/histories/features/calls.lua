local recorded = require("recorded")
local C = {}

local function with(options) return funcs.new():with_options(options) end
local RETRIES = { ["activity.retry_policy"] = { initial_interval = "10ms", maximum_attempts = 3 } }

function C.call_lua() return assert(funcs.call("features:echo", { n = 1, f = 1.0, text = "ü" })) end
function C.call_python() return assert(funcs.call("features:greet", "ann", 3)) end
function C.call_local() return assert(funcs.call("features:near", 41)) end
function C.call_local_retried() return assert(with(RETRIES):call("features:flaky_near")) end

function C.call_fails()
  local seen = {}
  for _, kind in ipairs({ errors.INVALID, errors.NOT_FOUND, errors.CONFLICT, errors.PERMISSION_DENIED, errors.ALREADY_EXISTS }) do
    seen[#seen + 1] = recorded.about(funcs.call("features:fails", kind))
  end
  seen[#seen + 1] = recorded.about(funcs.call("features:raises"))
  seen[#seen + 1] = recorded.about(funcs.call("features:declined"))
  seen[#seen + 1] = recorded.about(funcs.call("features:echo", { callback = print }))
  recorded.same(seen)
  return #seen
end

function C.call_retried() return assert(with(RETRIES):call("features:flaky")) end

function C.call_attempts_spent()
  local err = recorded.about(with(RETRIES):call("features:fails", errors.UNAVAILABLE))
  recorded.same(err)
  return err.kind
end

function C.retry_after() return assert(funcs.call("features:later")) end

function C.call_timeout()
  local options = { timeout = "50ms", ["activity.retry_policy"] = { maximum_attempts = 1 } }
  local err = recorded.about(with(options):call("features:never"))
  recorded.same(err)
  return { err.kind, err.details.timeout_type }
end

function C.call_unknown()
  local err = recorded.about(funcs.call("features:nobody"))
  recorded.same(err)
  return err.kind
end

function C.call_canceled()
  local future = assert(with({ ["activity.wait_for_cancellation"] = true }):async("features:patient"))
  assert(process.listen("cancel"):receive())
  future:cancel()
  local kind = recorded.kind(future:await())
  recorded.same({ kind, future:is_canceled(), future:is_complete() })
  return kind
end

function C.call_canceled_at_once()
  local future = assert(funcs.async("features:patient"))
  future:cancel()
  return recorded.kind(future:await())
end

function C.call_options()
  local executor = with({
    ["activity.id"] = "chosen", ["temporal.activity.summary"] = "as asked", ["activity.schedule_to_close_timeout"] = "1m",
    ["activity.heartbeat_timeout"] = 30000, ["activity.priority"] = 2, ["activity.disable_eager_execution"] = true,
    ["activity.retry_policy"] = {
      initialInterval = "1s", backoffCoefficient = 1.5, maximum_interval = "5s", maximum_attempts = 4, nonRetryableErrorTypes = "Never",
    },
  })
  return assert(executor:call("features:attempt"))
end

function C.call_refused_options()
  recorded.same(recorded.about(with({ ["activity.speed"] = 1 }):call("features:echo", 1)))
  return "refused"
end

function C.call_context()
  local executor = funcs.new():with_context({ user = { id = 7 } })
  local seen = {
    mine = ctx.all(), plain = assert(funcs.call("features:context")), own = assert(executor:call("features:context")),
    child = assert(process.with_context({ tenant = "other" }):exec("features:child_context", "features:worker")),
  }
  recorded.same(seen)
  return seen
end

-- For ann, whose scope allows all of this but the refused, and hands some of it on to bob.
function C.call_scoped(again)
  if again then
    recorded.same(again)
    return { again, assert(funcs.call("features:who")) }
  end
  local seen = {
    mine = assert(funcs.call("features:who")), near = assert(funcs.call("features:who_near")),
    bobs = assert(funcs.new():with_actor({ id = "bob" }):call("features:who")),
    child = assert(process.with_context({}):with_actor({ id = "eve", meta = { n = 1 } }):exec("features:child_who", "features:worker")),
    call = recorded.about(funcs.call("features:fails", "X")),
    send = recorded.kind(process.send("{features:worker|nobody}", "hello")),
    exec = recorded.kind(workflow.exec("features:child_context")),
    scope = recorded.kind(funcs.new():with_actor({ id = "bob" }):with_scope({}):call("features:echo", 1)),
  }
  recorded.same(seen)
  process.upgrade(nil, seen)
end

function C.call_many()
  local futures = {}
  for i = 1, 5 do futures[i] = assert(funcs.async("features:echo", i)) end
  local results = assert(funcs.all(futures))
  local index, value = funcs.any({ assert(funcs.async("features:echo", "only")) })
  local channel = assert(funcs.async("features:echo", "through a channel")):channel()
  local payload = channel:receive()
  return { results, index, value, payload:data() }
end

return C
