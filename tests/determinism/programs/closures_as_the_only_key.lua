local function act(...) return funcs.call("app:act", ...) end

return function()
  local f = function() end
  for k, v in pairs({ [f] = 1, a = 2 }) do act("key", k == f, v) end
end
