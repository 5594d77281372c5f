local function act(...) return funcs.call("app:act", ...) end

return function()
  local function deep(n) if n == 0 then error("here") end deep(n - 1) return n end
  act("said", select(2, pcall(deep, 5)))
end
