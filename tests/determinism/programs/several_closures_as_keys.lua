local function act(...) return funcs.call("app:act", ...) end

return function()
  local f, g = function() end, function() end
  local ok, e = pcall(function() for k in pairs({ [f] = 1, [g] = 2 }) do end end)
  act("refused", ok, tostring(e))
end
