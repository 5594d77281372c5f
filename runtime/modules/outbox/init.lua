-- outbox: what is sent when the transaction that is open here has been committed, and only then.
return function(K)
  local outbox = {}

  local TYPES = { id = "string", workflow_id = "string", signal = "string", headers = "table", delay = false }

  local function checked(options)
    for name, value in pairs(options) do
      local wanted = TYPES[name]
      if wanted == nil then return K.invalid("add: there is no option '%s'", tostring(name)) end
      if wanted and type(value) ~= wanted or value == "" then return K.invalid("add: option '%s' will not do", name) end
    end
    if options.delay == nil then return true end
    local ns, problem = K.parse_duration(options.delay)
    if not ns then return K.invalid("add: delay: %s", problem) end
    return true, nil, ns
  end

  -- → the id by which the message is known at its target
  function outbox.add(target, message, options)
    K.check(target, 1, "add", "string")
    K.check(options, 3, "add", "table", true)
    if target == "" then return K.invalid("the target of the message is empty") end
    if message == nil then return K.invalid("the message is nil") end
    options = options or {}
    local ok, err, ns = checked(options)
    if not ok then return nil, err end
    return K.request("outbox.add", {
      id = target, message_id = options.id, run = options.workflow_id, signal = options.signal, delay_ns = ns,
      headers = options.headers and K.merged(options.headers), args = { message, n = 1 },
    })
  end

  return outbox
end
