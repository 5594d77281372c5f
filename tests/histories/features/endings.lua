-- Cancellation and sagas.
local recorded = require("recorded")
local E = {}

function E.cancel_trapped()
  local event = process.events():receive()
  recorded.same({ event.kind, event.reason })
  return event.reason
end

function E.cancel_untrapped()
  local seen = { recorded.kind(time.sleep("1h")), recorded.kind(funcs.call("features:echo", 1)) }
  return nil, errors.new(errors.CANCELED, table.concat(seen, " "))
end

-- A call, a timer and a child are outstanding when the cancellation comes.
function E.cancel_everything()
  local heard = channel.new(3)
  local waits = {
    function() return funcs.call("features:patient") end, function() return time.sleep("1h") end,
    function() return process.exec("features:child_waits", "features:worker") end,
  }
  for i, wait in ipairs(waits) do
    coroutine.spawn(function()
      local _, err = wait()
      workflow.detached(function() heard:send(i .. " " .. err:kind()) end)
    end)
  end
  local _, err = time.sleep("1h")
  workflow.detached(function()
    local seen = {}
    for i = 1, #waits do seen[i] = heard:receive() end
    recorded.same(seen)
  end)
  return nil, err
end

function E.cancel_compensated()
  local undo = saga.new()
  for _, step in ipairs({ "first", "second", "third" }) do undo:add("features:undo", step) end
  local _, err = time.sleep("1h")
  local ok, failures = undo:compensate()
  workflow.detached(function() recorded.same({ ok, failures[1].id, failures[1].error:kind() }) end)
  return nil, err
end

function E.cancel_itself()
  local events = process.events()
  assert(process.cancel(process.pid(), "enough"))
  local event = events:receive()
  local seen = { event.kind, event.reason, event.from == process.pid() }
  recorded.same(seen)
  return seen
end

function E.cancel_before_start()
  local event = process.events():receive()
  return event.reason
end

local function undone(options)
  local undo = saga.new(options)
  for _, step in ipairs({ "first", "second", "third" }) do undo:add("features:undo", step) end
  local ok, failures = undo:compensate()
  local seen = { ok, #failures, failures[1].id, failures[1].error:message() }
  recorded.same(seen)
  return seen
end
function E.saga() return undone() end
function E.saga_parallel() return undone({ parallel = true }) end

return E
