-- expect: error second

return function(...)
  local reads = 0
  local fields = setmetatable({}, { __index = function(_, k)
    if k == "message" then return "second" end
    if k == "kind" then reads = reads + 1 return reads == 1 and "Fine" or {} end
  end })
  error(errors.new(fields))
end
