-- expect: error bad argument #1 to 'setmetatable'

return function(...)
  setmetatable(string, { __index = {} })
end
