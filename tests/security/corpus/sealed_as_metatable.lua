-- expect: harmless "nil"

return function(...)
  return type(setmetatable({}, errors.new("x")).kind)
end
