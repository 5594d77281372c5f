-- Processes for actors_test.lua.
-- methods: obeys waits returns fails fails_in_depth links_to parent traps late_listener moves arrives
-- modules: time json ctx
local actors = {}

-- Does what it is told, by topic; "do" is answered to the sender as "done".
function actors.obeys()
  local inbox = process.inbox()
  while true do
    local m = inbox:receive()
    local topic, said = m:topic(), m:payload() and m:payload():data()
    if topic == "return" then return said end
    if topic == "fail" then return nil, errors.new(said or "Declined", "told to fail") end
    if topic == "raise" then error("told to raise") end
    if topic == "spin" then while true do end end
    if topic == "register" then process.send(m:from(), "done", process.registry.register(said)) end
    if topic == "link" then process.send(m:from(), "done", process.link(said)) end
    if topic == "unlink" then process.send(m:from(), "done", process.unlink(said)) end
    if topic == "who" then process.send(m:from(), "done", { process.pid(), m:from(), process.id() }) end
    if topic == "links" then process.send(m:from(), "done", process.get_options()) end
  end
end

function actors.waits()
  local value, _, err = process.listen("end"):receive()
  if err then return nil, err end
  return value
end
function actors.returns(value) return value end
function actors.fails(kind) return nil, errors.new(kind or "Declined", "no funds") end

local function pay()
  return nil, errors.new({ kind = "Declined", message = "no funds", details = { left = 0, card = { last = "42" } }, retryable = false })
end
function actors.fails_in_depth()
  local _, err = pay()
  return nil, errors.wrap(err, "paying")
end

-- Links with `pid`, says so to `tell`, and waits.
function actors.links_to(pid, tell)
  process.link(pid)
  process.send(tell, "linked", process.pid())
  process.inbox():receive()
  return "released"
end

-- The same, trapping: tells what it hears.
function actors.traps(pid, tell)
  process.set_options({ trap_links = true })
  local events = process.events()
  process.link(pid)
  process.send(tell, "linked", process.pid())
  local event = events:receive()
  process.send(tell, "heard", { event.kind, event.from, event.result.error and event.result.error:kind() or "", event.result.value })
end

-- Spawns a linked child, tells its PID, and does what it is told.
function actors.parent(tell)
  process.send(tell, "child", (process.spawn_linked("processes:actors.waits", "conformance:processes")))
  return actors.obeys()
end

-- Asks for a topic only after it has been told to.
function actors.late_listener(tell)
  process.listen("now"):receive()
  local got = {}
  local t = process.listen("t")
  for i = 1, 3 do got[i] = t:receive() end
  return got
end

function actors.moves(tell)
  process.registry.register("mover")
  local child = process.spawn_monitored("processes:actors.waits", "conformance:processes")
  process.send(tell, "ready", child)
  process.inbox():receive()
  process.upgrade("processes:actors.arrives", tell, { n = 1 })
end

function actors.arrives(tell, state)
  process.send(tell, "arrived", { process.pid(), process.id(), process.registry.lookup("mover"), state.n, ctx.get("tenant") })
  local event = process.events():receive()
  process.send(tell, "heard", { event.kind, event.result.value })
  local m = process.inbox():receive()
  return m:topic()
end

return actors
