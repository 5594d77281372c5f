-- `count` activities, one after another; with 1 the tiny workflow.
local funcs = require("funcs")

return function(count)
  local n = 0
  for _ = 1, count do
    n = funcs.call("bench:add", n)
  end
  return n
end
