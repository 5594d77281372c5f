-- activity: the activity a function runs as. Outside of one, every question but `is_canceled` is INVALID.
return function(K)
  local activity = {}
  local about = K.boot.info and K.boot.info.activity

  local function outside() return K.invalid("not running as an activity") end

  function activity.info()
    if not about then return outside() end
    return K.copy(about)
  end

  function activity.idempotency_key()
    if not about then return outside() end
    return about.idempotency_key
  end

  -- Blocks until the host has it, which is also when a cancellation can arrive.
  function activity.heartbeat(...)
    if not about then return outside() end
    return K.request("activity.heartbeat", { args = { (...), n = 1 } })
  end

  function activity.is_canceled()
    if not about then return false end
    local answer = K.request("activity.is_canceled", {})
    return answer == nil or answer
  end

  return activity
end
