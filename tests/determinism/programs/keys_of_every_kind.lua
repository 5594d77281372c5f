local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = { 3, 2, 1, z = 1, a = 2, [10] = 1, [-1] = 1, [0.5] = 1, [true] = 1, [false] = 1, [2^53] = 1, [print] = 1 }
  for k, v in pairs(t) do act("key", k == print and "f" or k, v) end
end
