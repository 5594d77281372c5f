-- expect: budget
-- on: workflow

return function(...)
  workflow.wait(function() while true do end end)
end
