local recorded = require("recorded")
local R = {}

-- Each run reads one message of three that came before the first could read any.
function R.upgrade(seen)
  if not seen then
    assert(process.listen("go"):receive())
    process.upgrade(nil, {})
  end
  seen[#seen + 1] = process.inbox():receive():payload():data()
  recorded.same({ seen, ctx.all(), workflow.info().continued_run_id ~= nil })
  if #seen < 3 then process.upgrade(nil, seen) end
  return seen
end

function R.upgrade_other(n) process.upgrade("features:upgraded", n + 1) end
function R.upgraded(n) return { n, process.id() } end

-- The first run reads none of its events, the second all of them.
function R.upgrade_events(go_on)
  process.set_options({ trap_cancel = true })
  if not go_on then
    local later = process.with_options({ ["workflow.start_delay"] = "1h" })
    assert(process.cancel(assert(later:spawn("features:child_waits", "features:worker"))))
    assert(process.cancel(process.pid(), "enough"))
    recorded.same("unread")
    process.upgrade(nil, true)
  end
  local events, seen = process.events(), {}
  for i = 1, 2 do
    local event = events:receive()
    local err = event.result.error
    seen[i] = { event.kind, err and err:kind() or event.reason }
  end
  recorded.same(seen)
  return seen
end

function R.scheduled(input)
  local info = workflow.info()
  local seen = { input, info.parent_pid == nil, info.bundle ~= nil }
  recorded.same(seen)
  return seen
end

function R.version()
  local first = workflow.version("step", 1, 3)
  recorded.same(first)
  return { first, workflow.version("step", 1, 3), workflow.version("other", 1, 1) }
end

function R.version_loop()
  local seen = {}
  for i = 1, 3 do
    seen[i] = workflow.version("loop", 1, 2)
    recorded.same({ i, seen[i] })
  end
  return seen
end

-- Recorded as `before`, replayed as `after`: a run that passed here before the change existed.
function R.before()
  recorded.same("first")
  assert(process.listen("go"):receive())
  recorded.same("second")
  return "old"
end
function R.after()
  local version = workflow.version("change", 1, 2)
  if version == 1 then recorded.same("first") else assert(funcs.call("features:attempt")) end
  assert(process.listen("go"):receive())
  if version == 1 then recorded.same("second") else assert(funcs.call("features:attempt")) end
  return version == 1 and "old" or "new"
end

function R.patched()
  local new = workflow.patched("fix")
  recorded.same(new)
  workflow.deprecate_patch("retired")
  recorded.same(workflow.patched("fix"))
  return new
end

function R.search_attributes()
  assert(workflow.attrs({ search = {
    FeatureText = "acme", FeatureCount = 3, FeatureShare = 0.5, FeatureFlag = true, FeatureTags = { "a", "b" },
    FeatureDay = time.date(2024, 5, 6, 7, 8, 9, 0),
  } }))
  recorded.same(recorded.about(workflow.attrs({ search = { FeatureNobody = 1 } })))
  assert(workflow.attrs({ search = { FeatureCount = workflow.unset } }))
  return "set"
end

function R.memo()
  assert(workflow.attrs({ memo = { note = { n = 1 }, gone = "soon" } }))
  recorded.same("between")
  assert(workflow.attrs({ memo = { gone = workflow.unset } }))
  return "set"
end

function R.status()
  workflow.status("starting")
  recorded.same("first")
  workflow.status({ step = 2 })
  recorded.same("second")
  return "shown"
end

function R.query()
  local n = 0
  workflow.query("n", function(by) return { n = n, by = by } end)
  for i = 1, 2 do
    assert(process.listen("next"):receive())
    n = i
  end
  return n
end

function R.update()
  local total, done = 0, false
  workflow.update("add", function(n)
    total = total + n
    return total
  end, function(n)
    if n < 0 then return nil, errors.new(errors.INVALID, "negative") end
  end)
  workflow.update("slowly", function(n)
    time.sleep("10ms")
    total = total + assert(funcs.call("features:echo", n))
    return total
  end)
  workflow.update("fails", function() return nil, errors.new(errors.CONFLICT, "not now") end)
  workflow.update("finish", function() done = true end)
  workflow.wait(function() return done end)
  recorded.same(total)
  return total
end

-- Answered by messages: ack, then ok or error.
function R.update_by_message()
  local requests = process.listen("set", { message = true })
  for _ = 1, 2 do
    local message = requests:receive()
    local value = message:payload():data()
    process.send(message:from(), "ack")
    recorded.same(value)
    if value > 0 then
      process.send(message:from(), "ok", value * 2)
    else
      process.send(message:from(), "error", errors.new(errors.INVALID, "too small"))
    end
  end
  time.sleep("10ms")
  return "answered"
end

function R.fails() return nil, errors.new({ kind = errors.CONFLICT, message = "taken", details = { by = "me" } }) end
function R.raises() error("broke") end

return R
