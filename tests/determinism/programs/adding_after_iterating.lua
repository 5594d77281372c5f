local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = { x = 1 }
  for round = 1, 5 do for k in pairs(t) do act("key", k) end t["n" .. round] = round end
end
