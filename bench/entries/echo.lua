-- Answers the update "echo" with its value, until a message comes.
local workflow = require("workflow")

return function()
  workflow.update("echo", function(value)
    return value
  end)
  process.inbox():receive()
end
