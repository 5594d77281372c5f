local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  act("addresses", ("%s %p %10s"):format(t, t, {}), ("%p"):format("text"))
end
