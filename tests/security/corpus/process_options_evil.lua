-- expect: error bad option 'trap_links'

return function(...)
  process.set_options(setmetatable({}, { __index = function() return {} end }))
end
