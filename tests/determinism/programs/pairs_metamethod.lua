local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = setmetatable({}, { __pairs = function() return next, { q = 1, p = 2, r = 3 }, nil end })
  for k in pairs(t) do act("key", k) end
end
