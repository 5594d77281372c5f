local function act(...) return funcs.call("app:act", ...) end

return function()
  local seen = {}
  for i = 1, 5 do seen[i] = tostring({}) .. tostring(function() end) .. tostring(coroutine.create(print)) end
  act("addresses", table.concat(seen, ","))
end
