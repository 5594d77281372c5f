local function act(...) return funcs.call("app:act", ...) end

return function()
  for _, lib in ipairs({ "string", "table", "math", "os", "time", "json", "errors" }) do
    local names = {}
    for k in pairs(_G[lib]) do names[#names + 1] = k end
    act("library", lib, table.concat(names, " "))
  end
end
