-- outcome: the three possible results of an external call, returned from a function: `return outcome.retry("busy", "5s")`.
return function(K)
  local kinds = K.kinds
  local outcome = {}

  function outcome.ok(value) return value end

  function outcome.retry(reason, after)
    K.check(reason, 1, "retry", "string")
    local details
    if after ~= nil then
      local ns, problem = K.parse_duration(after)
      if not ns then K.misuse("bad argument #2 to 'retry' (%s)", problem) end
      details = { retry_after = ns // 1000000 }
    end
    return nil, K.refusal({ kind = kinds.UNAVAILABLE, message = reason, retryable = true, details = details })
  end

  function outcome.fail(code, message, cause)
    K.check(code, 1, "fail", "string")
    K.check(message, 2, "fail", "string")
    local details
    if cause ~= nil then details = { cause = K.is_error(cause) and K.tostring(cause) or cause } end
    return nil, K.refusal({ kind = code, message = message, retryable = false, details = details })
  end
  return outcome
end
