local function act(...) return funcs.call("app:act", ...) end

return function()
  local t, k, v = { b = 1, a = 2, c = 3, 1, 2 }, nil, nil
  repeat k, v = next(t, k) if k then act("key", k, v) end until k == nil
end
