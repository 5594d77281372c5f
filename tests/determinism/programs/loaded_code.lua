local function act(...) return funcs.call("app:act", ...) end

return function()
  local f = load("local t = ... local s = 0 for k, v in pairs(t) do s = s * 31 + v end return s")
  act("sum", f({ c = 1, b = 2, a = 3, x = 4, y = 5 }))
end
