local function act(...) return funcs.call("app:act", ...) end

return function()
  local futures = {}
  for _, name in ipairs({ "one", "two", "three", "four" }) do futures[name] = funcs.async("app:act", name) end
  for name, f in pairs(futures) do act("awaited", name, f:await() ~= nil) end
end
