-- methods: add join context passes_on plain nearby never
-- modules: ctx funcs time activity
-- local: nearby
-- heartbeats: never
-- plain: plain
return {
  add = function(a, b) return a + b end,
  join = function(...)
    local parts = table.pack(...)
    for i = 1, parts.n do parts[i] = tostring(parts[i]) end
    return table.concat(parts, "|")
  end,
  context = function() return ctx.all() end,
  passes_on = function() return funcs.call("fn:calls.context") end,
  plain = function() return "plain" end,
  nearby = function(n) return n * 2 end,
  -- As an activity it ends soon after it is cancelled, for it heartbeats.
  never = function()
    while activity.info() and not activity.is_canceled() do
      activity.heartbeat()
      time.sleep("100ms")
    end
    return time.sleep("1h")
  end,
}
