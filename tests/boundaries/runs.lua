local faults = require("faults")
local R = {}

local WORKER = "b:worker"
local function with(options) return funcs.new():with_options(options) end
local ONCE = { ["activity.retry_policy"] = { maximum_attempts = 1 } }
local TWICE = { ["activity.retry_policy"] = { maximum_attempts = 2, initial_interval = "1ms" } }

local function seen(err)
  return {
    kind = err:kind(), message = err:message(), text = tostring(err), retryable = err:retryable(), details = err:details(), stack = err:stack(),
    frames = errors.call_stack(err).frames,
  }
end

-- Errors: activity, child, parent.

function R.child(fields)
  local _, err = with(ONCE):call("b:fails", fields)
  return nil, errors.wrap(err, "in the child")
end

function R.parent(fields)
  local _, err = process.exec("b:child", WORKER, fields)
  return nil, errors.wrap(err, "in the parent")
end

function R.sees(id, ...)
  local _, err = with(TWICE):call(id, ...)
  return seen(err)
end

function R.sees_at(id, queue, ...)
  local options = { ["activity.task_queue"] = queue, ["activity.retry_policy"] = { maximum_attempts = 1 } }
  local _, err = with(options):call(id, ...)
  return seen(err)
end

function R.sees_child(id, ...)
  local _, err = process.exec(id, WORKER, ...)
  return seen(err)
end

function R.attempts(list)
  local futures, texts = {}, {}
  for i, fields in ipairs(list) do futures[i] = assert(with(TWICE):async("b:counts", fields)) end
  for i, future in ipairs(futures) do
    local _, err = future:await()
    texts[i] = err:message()
  end
  return texts
end

function R.patient(retry_after, interval)
  local options = { ["activity.retry_policy"] = { initial_interval = interval, maximum_attempts = 5 } }
  return funcs.new():with_options(options):call("b:waits", retry_after)
end

function R.times_out(id, options)
  options["activity.retry_policy"] = { maximum_attempts = 1 }
  local _, err = with(options):call(id)
  return seen(err)
end

function R.child_times_out()
  local _, err = process.with_options({ ["workflow.run_timeout"] = "1s" }):exec("b:sleeps", WORKER)
  return seen(err)
end

function R.sleeps() return time.sleep("1h") end
local function innermost() error("broke") end
function R.raises() innermost() end

function R.ends_child(how)
  local events = process.events()
  local pid = assert(process.spawn("b:sleeps", WORKER))
  assert(process[how](pid))
  return seen(events:receive().result.error)
end

function R.questions()
  local function fails(fields) return nil, errors.wrap(errors.new(fields), "asked") end
  local function raises() error("oops") end
  workflow.query("fails", fails)
  workflow.query("raises", raises)
  workflow.update("fails", fails)
  workflow.update("raises", raises)
  workflow.update("guarded", function() end, fails)
  return process.listen("end"):receive()
end

-- Values.

function R.echo(...) return ... end

-- Through an activity and a child, and back.
function R.carry(value)
  value = funcs.call("b:echo", value)
  value = process.exec("b:echo_run", WORKER, value)
  return value
end

function R.messages()
  local last
  workflow.query("echo", function(v) return v end)
  workflow.query("last", function() return last end)
  workflow.update("echo", function(v) return v end)
  local values = process.listen("value")
  coroutine.spawn(function()
    while true do last = values:receive() end
  end)
  return process.listen("end"):receive()
end

function R.returns_fault(name) return faults[name]() end

-- Every way out of a running workflow.
function R.offers(name)
  local function value() return faults[name]() end
  local refused = {
    activity = { funcs.call("b:echo", value()) },
    second = { funcs.call("b:echo", 1, value()) },
    async = { funcs.async("b:echo", value()) },
    context = { funcs.new():with_context(value()) },
    exec = { process.exec("b:echo_run", WORKER, value()) },
    spawn = { process.spawn("b:echo_run", WORKER, value()) },
    workflow_exec = { workflow.exec("b:echo_run", value()) },
    message = { process.with_message("t", value()):spawn("b:echo_run", WORKER) },
    send = { process.send("{b:worker|nobody}", "t", value()) },
    send_self = { process.send(process.pid(), "t", value()) },
    memo = { workflow.attrs({ memo = { note = value() } }) },
    status = { workflow.status(value()) },
    upgrade = { process.upgrade(nil, value()) },
  }
  local answers = {}
  for where, pair in pairs(refused) do
    answers[where] = pair[2] and { pair[2]:kind(), pair[2]:message(), pair[2]:retryable() } or json.null
  end
  answers.activity_result = { select(2, funcs.call("b:returns_fault", name)):kind(), (select(2, funcs.call("b:returns_fault", name)):message()) }
  answers.child_result = { select(2, workflow.exec("b:fault_run", name)):kind(), (select(2, workflow.exec("b:fault_run", name)):message()) }
  return answers
end

function R.asks(name)
  workflow.query("fault", function() return faults[name]() end)
  workflow.update("fault", function() return faults[name]() end)
  return process.listen("end"):receive()
end

function R.bytes()
  local raw = assert(funcs.call("b:returns_bytes"))
  assert(funcs.call("b:length", payload.bytes(raw)) == #raw)
  local back = assert(workflow.exec("b:bytes_child", payload.bytes(raw)))
  assert(back == raw)
  return payload.bytes(back)
end
function R.bytes_child(raw) return payload.bytes(raw) end

return R
