local function act(...) return funcs.call("app:act", ...) end

return function()
  local names = {}
  for k in pairs(_G) do names[#names + 1] = k end
  act("globals", table.concat(names, " "))
end
