local recorded = require("recorded")
local M = {}

local function said(message)
  local payload = message:payload()
  return { message:topic(), message:from(), type(payload) == "userdata" and payload:data() or json.null }
end

local function read(count)
  local inbox, seen = process.inbox(), {}
  for i = 1, count do seen[i] = said(inbox:receive()) end
  recorded.same(seen)
  return seen
end

function M.signal_with_start() return read(2) end

function M.signal_while_running()
  local seen = read(1)
  recorded.same("between")
  seen[2] = read(1)[1]
  return seen
end

-- What comes before anybody reads is kept, in order.
function M.signal_retained()
  assert(process.listen("go"):receive())
  recorded.same("the others are kept")
  return read(3)
end

function M.listen()
  local orders, inbox = process.listen("orders"), process.inbox()
  local first, second = orders:receive(), orders:receive()
  process.unlisten(orders)
  recorded.same("nobody listens")
  local other, late = said(inbox:receive()), said(inbox:receive())
  recorded.same({ first, second, other, late })
  return { first, second, other[3], late[1] }
end

function M.send_self()
  local me = process.pid()
  assert(process.send(me, "note", { n = 1 }))
  assert(process.send(me, "note"))
  return read(2)[1][3]
end

function M.send_other()
  local pid = assert(process.spawn("features:child_answers", "features:worker"))
  local inbox = process.inbox()
  for i = 1, 3 do assert(process.send(pid, "ask", i)) end
  local seen = {}
  for i = 1, 3 do seen[i] = inbox:receive():payload():data() end
  recorded.same(seen)
  return seen
end

function M.send_missing()
  local gone = "{features:worker|features no such run}"
  local seen = {
    recorded.about(process.send(gone, "late", 1)), recorded.about(process.cancel(gone)), recorded.about(process.terminate(gone)),
    recorded.about(process.send("nobody", "late")),
  }
  recorded.same(seen)
  return seen[1].kind
end

function M.send_ended()
  local events = process.events()
  local pid = assert(process.spawn("features:child_add", "features:worker", 1, 2))
  assert(events:receive().from == pid)
  local seen = {
    recorded.kind(process.send(pid, "late", 1)), recorded.kind(process.cancel(pid, "late")), recorded.kind(process.terminate(pid)),
  }
  recorded.same(seen)
  return seen
end

function M.send_function()
  local future = assert(funcs.async("features:listens"))
  local pid = process.listen("here"):receive()
  assert(process.send(pid, "ask", 2))
  assert(process.send(pid, "ask", 40))
  return assert(future:await())
end

function M.end_process()
  local here = process.listen("here")
  local once = funcs.new():with_options({ ["activity.retry_policy"] = { maximum_attempts = 1 } })
  local first = assert(once:async("features:waits"))
  assert(process.cancel(here:receive(), "enough"))
  local canceled = assert(first:await())
  local second = assert(once:async("features:waits"))
  local pid = here:receive()
  assert(process.terminate(pid))
  local _, err = second:await()
  local seen = { canceled, recorded.kind(nil, err), recorded.kind(process.cancel(pid)), recorded.kind(process.terminate(pid)) }
  recorded.same(seen)
  return seen
end

function M.end_process_refused()
  local process_of_a_host = "{features:host@no.such.node|1}"
  local seen = { recorded.kind(process.cancel(process_of_a_host)), recorded.kind(process.terminate(process_of_a_host)) }
  recorded.same(seen)
  return seen
end

function M.child_answers()
  local inbox = process.inbox()
  for _ = 1, 3 do
    local message = inbox:receive()
    assert(process.send(message:from(), "answer", message:payload():data() * 10))
  end
end

return M
