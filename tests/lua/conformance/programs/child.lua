-- methods: add fails raises counts_down context messages waits tells_why echoes parent
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
  parent = function() return workflow.info().parent_pid end,
}
