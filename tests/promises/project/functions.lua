local functions = {}

-- Fails twice.
function functions.flaky()
  local attempt = activity.info().attempt
  if attempt < 3 then return nil, errors.new({ kind = errors.UNAVAILABLE, message = "not yet", retryable = true }) end
  return { attempt = attempt }
end

function functions.never() time.sleep("1h") end

return functions
