-- On first use of: apply argument
-- What an event does; of `start`, only what its arguments are.
return function(K)
  local raw = K.raw
  local kinds = K.kinds
  local apply = {}
  K.apply = apply

  -- The pairs `encoding, bytes` as a list of {encoding, bytes}.
  local function blobs(...)
    local flat, list = { ... }, {}
    for i = 1, #flat, 2 do list[#list + 1] = { flat[i], flat[i + 1] } end
    return list
  end

  function K.argument(i, encoding, bytes)
    local value, problem = K.decode(encoding, bytes)
    if problem then
      raw.error(K.error({ kind = kinds.INVALID, message = "argument " .. i .. ": " .. problem, retryable = false }), 0)
    end
    return value
  end

  function apply.result(seq, encoding, bytes) K.apply_result(seq, encoding, bytes) end
  function apply.failure(seq, wire) K.apply_failure(seq, K.json_value(wire)) end

  function apply.message(topic, from, at, ...)
    K.deliver({ topic = topic, from = from, args = blobs(...), at = at })
  end

  -- How it ended: with a value, or with an error in its wire form.
  function apply.process(kind, from, at, wire, encoding, bytes)
    local result
    if encoding then result = { value = K.decode(encoding, bytes) } end
    local err = wire and K.error_from_wire(K.json_value(wire))
    if err then result = { error = err } end
    if kind == "pid.link.down" and not (K.process_options and K.process_options.trap_links) then
      raw.error(err or K.error({ kind = kinds.INTERNAL, message = "linked process " .. from .. " ended" }), 0)
    end
    K.deliver_process_event({ kind = kind, from = from, at = at, result = result or {} })
  end

  function apply.cancel(reason, from)
    local state = K.cancellation
    if K.events_wanted or (K.process_options and K.process_options.trap_cancel) then
      state.trapped = true
      K.deliver_process_event({ kind = "pid.cancel", from = from, at = K.now(), reason = reason, result = {} })
    elseif not state.cancelled then
      state.reason = reason
      K.cancel_all()
    end
  end

  function apply.update(id, name, ...) K.start_update(id, name, blobs(...)) end
end, "lasts"
