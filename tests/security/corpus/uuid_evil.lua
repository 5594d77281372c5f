-- expect: harmless [false,"Invalid","Invalid"]

return function(...)
  local t = setmetatable({}, { __tostring = function() return uuid.v4() end })
  return { uuid.validate(t), select(2, uuid.parse(t)):kind(), select(2, uuid.format(uuid.v4(), "\xff")):kind() }
end
