local function act(...) return funcs.call("app:act", ...) end

return function()
  local f = funcs.async("app:act", "x")
  f:cancel()
  act("state", f:is_canceled(), f:is_complete())
end
