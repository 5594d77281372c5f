-- expect: error bad self of 'kind'

return function(...)
  local t = setmetatable({}, { __index = errors.new("x") })
  t:kind()
end
