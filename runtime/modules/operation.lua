-- operation: commands that are accepted once and carried out by a run.
return function(K)
  local operation = {}

  local Operation
  local methods = {}
  function methods:id() return Operation.self(self, "id").id end
  function methods:state()
    local found, err = methods.show(self)
    if err then return nil, err end
    return found.state
  end
  function methods:show() return K.request("operation.show", { id = Operation.self(self, "show").id }) end
  function methods:await(timeout)
    local id, ns, problem = Operation.self(self, "await").id, nil, nil
    if timeout ~= nil then
      ns, problem = K.parse_duration(timeout)
      if not ns then return K.invalid("await: %s", problem) end
    end
    return K.request("operation.await", { id = id, timeout_ns = ns })
  end
  Operation = K.class("operation.Operation", methods, {})

  -- `command` has, beside its own fields, the workflow that carries it out: `entry`.
  function operation.start(command, budget)
    K.check(command, 1, "start", "table")
    local entry, said = command.entry, {}
    if type(entry) ~= "string" or entry == "" then return K.invalid("start: the command does not say by which workflow (entry = …)") end
    for name, value in pairs(command) do
      if name ~= "entry" then said[name] = value end
    end
    local ns, problem
    if budget ~= nil then
      ns, problem = K.parse_duration(budget)
      if not ns or ns <= 0 then return K.invalid("start: budget: %s", problem or "it leaves no time") end
    end
    local id, err = K.request("operation.start", { id = entry, budget_ns = ns, args = { said, n = 1 } })
    if err then return nil, err end
    return Operation.new({ id = id })
  end

  function operation.find(id)
    K.check(id, 1, "find", "string")
    local found, err = K.request("operation.show", { id = id })
    if err then return nil, err end
    return Operation.new({ id = found.op_id })
  end

  return operation
end
