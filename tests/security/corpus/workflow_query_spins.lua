-- expect: harmless "ended"
-- on: workflow

return function(...)
  workflow.query("q", function() while true do end end)
  return "ended"
end
