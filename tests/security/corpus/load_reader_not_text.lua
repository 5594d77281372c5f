-- expect: error reader function must return a string

return function(...)
  load(function() return {} end)
end
