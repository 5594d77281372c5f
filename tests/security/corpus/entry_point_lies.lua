-- expect: error must return a function

return setmetatable({}, { __index = function() return {} end })
