local recorded = require("recorded")
local T = {}

function T.sleep()
  local before = time.now()
  time.sleep("10ms")
  recorded.same({ before:format_rfc3339(), tostring(time.now():sub(before)) })
  return "slept"
end

function T.after()
  local channel = time.after("10ms")
  local tick, open = channel:receive()
  local _, still = channel:receive()
  recorded.same({ tick:unix_nano(), open, still })
  return { open, still }
end

function T.timer()
  local timer = time.timer("10ms")
  recorded.same(timer:channel():receive():unix_nano())
  return timer:stop()
end

function T.timer_stop()
  local timer = time.timer("1h")
  recorded.same("started")
  local stopped = timer:stop()
  recorded.same("stopped")
  return { stopped, timer:stop() }
end

function T.timer_reset()
  local timer = time.timer("1h")
  recorded.same("started")
  local pending = timer:reset("10ms")
  timer:response():receive()
  return { pending, timer:reset("1h"), timer:stop() }
end

function T.timer_stopped_at_once()
  local stopped = time.timer("1h"):stop()
  recorded.same("no timer")
  return stopped
end

function T.ticker()
  local ticker = time.ticker("1s")
  local ticks = {}
  for i = 1, 3 do ticks[i] = ticker:channel():receive():unix_nano() end
  ticker:stop()
  recorded.same(ticks)
  return #ticks
end

function T.select()
  local values, late = channel.new(), time.after("1h")
  local future = assert(funcs.async("features:echo", "answer"))
  coroutine.spawn(function()
    time.sleep("10ms")
    values:send("value")
  end)
  local seen = {}
  local cases = { late:case_receive(), values:case_receive(), future:channel():case_receive() }
  for _ = 1, 2 do
    local result = channel.select(cases)
    seen[#seen + 1] = result.channel == values and result.value or result.value:data()
    if result.channel ~= values then cases[3] = nil end
  end
  local soon = channel.select({ channel.new():case_receive(), time.after("10ms"):case_receive() })
  recorded.same({ seen, soon.ok, channel.select({ values:case_receive(), default = true }).default })
  table.sort(seen)
  return seen
end

function T.wait_timeout()
  local first = workflow.wait(function() return false end, "10ms")
  local changed = false
  coroutine.spawn(function()
    recorded.same("an answer")
    changed = true
  end)
  return { first, workflow.wait(function() return changed end, "1h") }
end

return T
