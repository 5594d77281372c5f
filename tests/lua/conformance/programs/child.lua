-- methods: add fails raises counts_down context messages waits tells_why echoes parent hands_over
-- modules: ctx workflow
return {
  add = function(a, b) return a + b end,
  fails = function() return nil, errors.new(errors.CONFLICT, "taken") end,
  raises = function() error("child broke") end,
  counts_down = function(n, seen)
    seen[#seen + 1] = n
    if n > 0 then process.upgrade(nil, n - 1, seen) end
    return seen
  end,
  context = function() return ctx.all() end,
  messages = function(count)
    local inbox, seen = process.inbox(), {}
    for i = 1, count do
      local payload = inbox:receive():payload()
      local values = {}
      if type(payload) == "table" then
        for j, item in ipairs(payload) do values[j] = item:data() end
      elseif payload then
        values[1] = payload:data()
      end
      seen[i] = values
    end
    return seen
  end,
  waits = function() return process.listen("go"):receive() end,
  tells_why = function() return process.events():receive().reason end,
  echoes = function()
    local message = process.inbox():receive()
    process.send(message:from(), "pong", message:payload())
  end,
  hands_over = function(seen)
    process.set_options({ trap_links = true, trap_cancel = true })
    if not seen then
      local later = process.with_options({ ["workflow.start_delay"] = "1h" })
      for _, way in ipairs({ "spawn", "spawn_linked" }) do
        process.cancel(later[way](later, "programs:child.waits", "conformance:worker"))
      end
      process.cancel(process.pid(), "enough")
      process.upgrade(nil, { process.pid() })
    end
    local events, kinds = process.events(), {}
    for i = 1, 4 do
      local event = events:receive()
      local err = event.result.error
      kinds[i] = { event.kind, err and err:kind() or event.reason, event.from == seen[1] }
    end
    return kinds
  end,
  parent = function() return workflow.info().parent_pid end,
}
