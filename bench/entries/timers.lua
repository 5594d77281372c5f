-- `count` timers, one after another.
local time = require("time")

return function(count)
  for _ = 1, count do
    time.sleep("1ms")
  end
  return count
end
