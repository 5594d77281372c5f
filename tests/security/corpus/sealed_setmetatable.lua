-- expect: error bad argument #1 to 'setmetatable'

return function(...)
  setmetatable(errors.new("x"), {})
end
