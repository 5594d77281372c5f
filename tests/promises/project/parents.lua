-- Workflows that start, tell and cancel runs.
local parents = {}

local function spawner(request)
  return process.with_options({ ["workflow.id"] = request.id }):with_context(request.context or {})
end

-- A parent that lives until its child has ended, and then fails as that did.
function parents.parent_spawn(request)
  local pid, err = spawner(request):spawn_monitored(request.entry, "p:worker", request.input)
  if err then return nil, err end
  while true do
    local event = process.events():receive()
    if event.kind == process.event.EXIT and event.from == pid then return event.result.value, event.result.error end
  end
end

function parents.parent_exec(request)
  return spawner(request):exec(request.entry, "p:worker", request.input)
end

function parents.messenger(request)
  if request.reason then return process.cancel(request.run, request.reason) end
  return process.send(request.run, request.topic, request.value)
end

return parents
