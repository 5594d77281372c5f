local function act(...) return funcs.call("app:act", ...) end

return function()
  local n = 0
  while true do n = n + 1 end
end
