local recorded = require("recorded")
local C = {}

local WORKER = "features:worker"

-- An event without what differs from run to run.
local function outline(event)
  local err = event.result and event.result.error
  return { event.kind, event.result and event.result.value or json.null, err and err:kind() or json.null, err and err:message() or json.null }
end

function C.child_add(a, b) return a + b end
function C.child_fails() return nil, errors.wrap(errors.new(errors.CONFLICT, "taken"), "reserving") end
function C.child_raises() error("child broke") end
function C.child_waits()
  local value, _, canceled = process.listen("go"):receive()
  return value, canceled
end
function C.child_context() return ctx.all() end
function C.child_who() return funcs.call("features:who") end

function C.spawn_exit()
  local events = process.events()
  local pid = assert(process.spawn("features:child_add", WORKER, 1, 2))
  local event = events:receive()
  recorded.same({ event.from == pid, outline(event) })
  return outline(event)
end

function C.spawn_failing()
  local events = process.events()
  assert(process.spawn_monitored("features:child_fails", WORKER))
  local seen = outline(events:receive())
  recorded.same(seen)
  return seen
end

function C.spawn_linked()
  process.set_options({ trap_links = true })
  local events = process.events()
  assert(process.spawn_linked("features:child_raises", WORKER))
  local down, exit = outline(events:receive()), outline(events:receive())
  recorded.same({ down, exit })
  return { down[1], exit[1], exit[3] }
end

function C.exec_value() return assert(process.exec("features:child_add", WORKER, 20, 22)) end

function C.exec_error()
  local _, err = process.exec("features:child_fails", WORKER)
  recorded.same({ err:kind(), err:message(), tostring(err), type(err:details()._run_id) })
  return tostring(err)
end

function C.workflow_exec()
  local value = assert(workflow.exec("features:child_add", 1, 1))
  recorded.same(recorded.about(workflow.exec("features:child_raises")))
  return value
end

function C.child_unknown()
  local err = recorded.about(process.spawn("features:nobody", WORKER))
  recorded.same(err)
  return err.kind
end

function C.child_on_no_worker()
  local seen = {
    recorded.kind(process.spawn("features:child_add", "features:nobody", 1, 2)),
    recorded.kind(process.exec("features:child_add", "features:temporal", 1, 2)),
  }
  recorded.same(seen)
  return seen
end

function C.child_canceled()
  local events = process.events()
  local pid = assert(process.spawn("features:child_waits", WORKER))
  assert(process.cancel(pid, "no longer needed"))
  local seen = outline(events:receive())
  recorded.same(seen)
  return seen[3]
end

function C.child_terminated()
  local events = process.events()
  local pid = assert(process.spawn("features:child_waits", WORKER))
  assert(process.terminate(pid))
  local seen = outline(events:receive())
  recorded.same(seen)
  return { seen[3], seen[4] }
end

-- The second start of a name finds the first run open, and hands its message over.
function C.with_name()
  local name = workflow.info().workflow_id .. " child"
  local named, events = process.with_name(name), process.events()
  local first = assert(named:spawn("features:child_waits", WORKER))
  local strict = named:with_options({ ["workflow.id_conflict_policy"] = "fail" })
  local refused = recorded.kind(strict:spawn("features:child_waits", WORKER))
  local second = assert(named:with_message("go", "shared"):spawn("features:child_waits", WORKER))
  local seen = { outline(events:receive()), outline(events:receive()) }
  recorded.same({ first == second, refused, seen })
  return { refused, first == second, seen[1][2], seen[2][2] }
end

function C.with_message()
  return assert(process.with_message("go", { n = 1 }):exec("features:child_waits", WORKER))
end

function C.child_options()
  local spawner = process.with_options({
    ["workflow.run_timeout"] = "1m", ["workflow.execution_timeout"] = "2m", ["workflow.task_timeout"] = "10s", ["workflow.summary"] = "adds",
    ["workflow.memo"] = { note = "kept" }, ["workflow.retry_policy"] = { maximum_attempts = 2 },
    ["workflow.parent_close_policy"] = "request-cancel", ["workflow.search_attributes"] = { FeatureText = "child" },
  })
  return assert(spawner:exec("features:child_add", WORKER, 2, 3))
end

-- One that starts later, one that is canceled before it does, and one that a message starts.
function C.child_delayed()
  local events = process.events()
  local function later(delay) return process.with_options({ ["workflow.start_delay"] = delay }) end
  assert(later("1s"):spawn("features:child_add", WORKER, 1, 2))
  local seen = { events:receive().result.value }
  local canceled = assert(later("1h"):spawn("features:child_waits", WORKER))
  recorded.same("it waits")
  assert(process.cancel(canceled, "no longer needed"))
  seen[2] = events:receive().result.error:kind()
  assert(process.send(assert(later("1h"):spawn("features:child_waits", WORKER)), "go", "early"))
  seen[3] = events:receive().result.value
  recorded.same(seen)
  return seen
end

function C.child_abandoned()
  local spawner = process.with_options({ ["workflow.parent_close_policy"] = "abandon", ["workflow.execution_timeout"] = "10s" })
  return (assert(spawner:spawn("features:child_waits", WORKER)):find("{features:worker|", 1, true))
end

return C
