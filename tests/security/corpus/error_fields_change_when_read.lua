-- expect: error bad argument #1 to 'new'

return function(...)
  local reads = 0
  local fields = setmetatable({}, { __index = function(_, k)
    if k ~= "message" then return nil end
    reads = reads + 1
    return reads == 1 and {} or "fine"
  end })
  error(errors.new(fields))
end
