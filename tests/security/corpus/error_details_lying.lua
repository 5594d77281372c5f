-- expect: error lying

return function(...)
  error(errors.new({ message = "lying", details = setmetatable({}, {
    __len = function() return 1 << 50 end, __pairs = function() return function() return 1, 1 end end,
    __index = function() return {} end }) }))
end
