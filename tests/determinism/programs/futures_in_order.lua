local function act(...) return funcs.call("app:act", ...) end

return function()
  local futures = {}
  for _, name in ipairs({ "c", "a", "b" }) do futures[#futures + 1] = funcs.async("app:act", name) end
  local results = funcs.all(futures)
  act("results", #results)
end
