-- saga: remember how to undo, then undo, last added first.
return function(K)
  local Saga
  local methods = {}

  function methods:add(id, ...)
    local state = Saga.self(self, "add")
    local ok, err = K.use("modules/launching").check_id(id, 1, "add", "a function")
    if not ok then return nil, err end
    local args = table.pack(...)
    for i = 1, args.n do
      args[i] = K.copy(args[i])
      local encoding, problem = K.encode(args[i], "") -- what cannot be handed over is said now, not when all is to be undone
      if not encoding then return K.invalid("argument %d of '%s': %s", i, id, problem) end
    end
    state.steps[#state.steps + 1] = { id = id, args = args }
    return true
  end

  -- Every compensation is tried, even when one fails: true, or false and [{id, error}] in the order they were tried.
  function methods:compensate()
    local state = Saga.self(self, "compensate")
    local steps, failures = state.steps, {}
    state.steps = {}
    local funcs = K.use("modules/funcs")
    K.detached(function()
      local futures = {}
      for i = #steps, 1, -1 do
        local step = steps[i]
        if state.parallel then
          local future, err = funcs.async(step.id, table.unpack(step.args, 1, step.args.n))
          futures[#futures + 1] = { id = step.id, future = future, err = err }
        else
          local _, err = funcs.call(step.id, table.unpack(step.args, 1, step.args.n))
          if err then failures[#failures + 1] = { id = step.id, error = err } end
        end
      end
      for _, item in ipairs(futures) do
        local err = item.err
        if item.future then
          local _, failure = item.future:await()
          err = failure
        end
        if err then failures[#failures + 1] = { id = item.id, error = err } end
      end
    end)
    return #failures == 0, failures
  end

  Saga = K.class("saga", methods, {})

  local saga = {}
  function saga.new(options)
    K.check(options, 1, "new", "table", true)
    local parallel = options and options.parallel
    if parallel ~= nil and type(parallel) ~= "boolean" then
      K.misuse("bad option 'parallel' to 'new' (boolean expected, got %s)", K.type(parallel))
    end
    return Saga.new({ steps = {}, parallel = parallel or false })
  end
  return saga
end
