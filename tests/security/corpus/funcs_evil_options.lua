-- expect: harmless true

return function(...)
  local v, e = funcs.new():with_options(setmetatable({}, { __index = function() return print end, __pairs = error })):call("no:such")
  return e ~= nil
end
