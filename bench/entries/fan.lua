-- `count` activities at once.
local funcs = require("funcs")

return function(count)
  local futures, sum = {}, 0
  for i = 1, count do
    futures[i] = funcs.async("bench:add", i)
  end
  for i = 1, count do
    sum = sum + futures[i]:await()
  end
  return sum
end
