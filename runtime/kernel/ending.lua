-- On first use of: ended no_entry_point finished failed failed_safely spent deadlock
-- How a program ends, other than with a plain value.
return function(K)
  local raw = K.raw
  local kinds, limits, concat = K.kinds, K.limits, raw.table.concat

  -- An answer: its state, and the fields of the header that go with it.
  local function ended(state, fields)
    local head, problem = K.json_text(fields)
    if not head then raw.error("evermoon: broken answer: " .. problem, 0) end
    return { state = state, head = raw.string.sub(head, 2, -2) }
  end
  K.ended = ended

  function K.no_entry_point(name, value)
    raw.error(K.error({ kind = kinds.INVALID, retryable = false, message =
      name .. " must return a function or a table with a function '" .. K.boot.method .. "', not "
      .. (value == nil and "nothing" or "a " .. K.type(value)) }), 0)
  end

  function K.failed(err, frames)
    return ended("failed", { error = K.error_to_wire(K.error_from_raise(err, frames or {})) })
  end

  function K.finished(value, problem)
    local err = K.error_from_return(problem)
    if err then return K.failed(err) end
    local class = K.class_of(value)
    if class and class.returned then value = class.returned(class.state(value)) end
    local encoding, bytes = K.encode(value)
    if not encoding then
      return K.failed(K.error({ kind = kinds.INVALID, message = "result: " .. bytes, retryable = false, stack = {},
        details = { returned = true } }))
    end
    return ended("done", { value = K.blob(encoding, bytes) })
  end

  -- `asked`: by a question, of which a run knows nothing.
  function K.spent(asked)
    local less = asked and "do less in a query handler or validator" or "do less between two waits"
    local limit, place = limits.spent, limits.at and K.plain(limits.at)
    local at = place and " at " .. place or ""
    local message
    if limit == "values" then
      message = "the values of a step are more than 32 MiB" .. at .. ": hand over less at once, or where it is kept"
    elseif limit == "stack" then
      message = "calls in C (pcall, metamethods, callbacks) are nested too deeply" .. at .. ": nest them less"
    elseif limit == "time" or limit == "commands" then
      message = limit .. " limit of a " .. (asked and "question" or "step") .. " spent" .. at .. ": " .. less
    else
      message = raw.string.format("%s of %s spent%s: raise limits.%s of %s, or %s",
        limit == "memory" and "memory limit" or "instruction budget",
        raw.tostring(K.boot.limits[limit]), at, limit, K.boot.entry, less)
    end
    return ended("failed", { spent = limit, error = {
      kind = kinds.LIMIT_EXCEEDED, message = message, retryable = false, details = { limit = limit, at = place },
    } })
  end

  local DEADLOCK_STACKS = 50 -- a message is for reading
  function K.deadlock()
    local lines = {}
    for i, stack in raw.ipairs(K.stacks(DEADLOCK_STACKS)) do
      lines[i] = "coroutine " .. stack.coroutine .. " (" .. stack.waiting_for .. "): " .. concat(stack.frames, " < ")
    end
    return K.failed(K.error({ kind = kinds.INTERNAL, retryable = false, stack = {},
      message = "all coroutines are blocked and nothing outside can wake them\n" .. concat(lines, "\n") }))
  end

  -- What a script left behind is asked for its text with the budget on.
  function K.failed_safely(err, frames)
    local ok, answer = limits.sheltered(K.failed, err, frames)
    if ok and not limits.spent then return answer end
    if limits.spent then return K.spent() end
    return ended("failed", { error = { kind = kinds.INTERNAL, message = "an error that has no text", retryable = false } })
  end
end, "lasts"
