local function act(...) return funcs.call("app:act", ...) end

return function()
  workflow.attrs({ search = { Zed = 1, Alpha = "a", Mid = true }, memo = { z = 1, a = { c = 1, b = 2 } } })
  act("done")
end
