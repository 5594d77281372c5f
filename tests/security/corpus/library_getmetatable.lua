-- expect: harmless [false,false,false]

return function(...)
  return { getmetatable(string), getmetatable(process), getmetatable(time) }
end
