local function act(...) return funcs.call("app:act", ...) end

return function()
  local c = {}
  for i = 1, 20 do c["key" .. i] = i end
  funcs.new():with_context(c):with_options({ ["activity.summary"] = "s", timeout = 5000, ["activity.retry_policy"] = { maximum_attempts = 2, initial_interval = "1s" } }):call("app:act", "x")
end
