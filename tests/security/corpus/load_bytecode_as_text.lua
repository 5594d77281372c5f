-- expect: error attempt to load a binary chunk

return function(...)
  error((select(2, load("\27Lua\84\0\25\147"))))
end
