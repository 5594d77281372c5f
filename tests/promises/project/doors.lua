-- Handlers that start, tell and cancel runs.
local doors = {}

local function spawner(request)
  return process.with_options({ ["workflow.id"] = request.id }):with_context(request.context or {})
end

function doors.spawn()
  local request = http.request():body_json()
  local pid, err = spawner(request):spawn(request.entry, "p:worker", request.input)
  if err then return nil, err end
  return { pid = pid }
end

function doors.send()
  local request = http.request():body_json()
  local sent, err = process.send(request.run, request.topic, request.value)
  if err then return nil, err end
  return { sent = sent }
end

function doors.cancel()
  local request = http.request():body_json()
  local done, err = process.cancel(request.run, request.reason)
  if err then return nil, err end
  return { canceled = done }
end

return doors
