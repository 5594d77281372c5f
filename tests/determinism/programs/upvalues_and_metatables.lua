local function act(...) return funcs.call("app:act", ...) end

return function()
  local mt = { __index = function(t, k) return k .. "!" end, __tostring = function() return "obj" end, __len = function() return 3 end,
    __eq = function() return true end, __lt = function() return true end, __call = function(_, x) return x end, __concat = function() return "cat" end }
  local a, b = setmetatable({}, mt), setmetatable({}, mt)
  act("meta", a.x, tostring(a), #a, a == b, a < b, a("y"), a .. b)
end
