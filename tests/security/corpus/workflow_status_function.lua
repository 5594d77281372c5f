-- expect: error is a function
-- on: workflow

return function(...)
  local ok, e = workflow.status(print)
  error(e)
end
