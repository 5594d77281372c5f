-- funcs: call functions. In a workflow a call is an activity; elsewhere it runs on this host.
return function(K)
  local select = select
  local kinds = K.kinds

  local function check_id(id, fname)
    K.check(id, 1, fname, "string")
    if not id:find("^[^:]+:[^:]+$") then
      return K.invalid("'%s' is not a function id: expected namespace:name", id)
    end
    return true
  end

  -- Options as the host wants them (durations in ms), or nil and INVALID.
  local function normalised(options)
    if options == nil then return K.object({}) end
    local text, problem = K.json_encode(options)
    if not text then return K.invalid("options: %s", problem) end
    local answer, err = K.host("options.activity", text)
    if not answer then return nil, err end
    return K.json_decode(answer)
  end

  local function launch(state, fname, id, ...)
    local ok, err = check_id(id, fname)
    if not ok then return nil, err end
    local options
    options, err = normalised(state.options)
    if not options then return nil, err end
    return K.command("call", {
      id = id, args = table.pack(...), options = options, ctx = K.merged(K.context, state.context),
      actor = state.actor, scope = state.scope,
    })
  end

  local function call(state, id, ...)
    local p, err = launch(state, "call", id, ...)
    if not p then return nil, err end
    return K.await(p)
  end

  local function async(state, id, ...)
    local p, err = launch(state, "async", id, ...)
    if not p then return nil, err end
    if p.done and not p.ok and not p.seq and not K.errors.is(p.err, kinds.CANCELED) then return nil, p.err end
    return K.future(p)
  end

  local Executor
  local methods = {}
  local function with(state, changes) return Executor.new(K.merged(state, changes)) end
  function methods:with_context(t)
    local state = Executor.self(self, "with_context")
    K.check(t, 1, "with_context", "table")
    local text, problem = K.json_encode(t)
    if not text then return K.invalid("context: %s", problem) end
    return with(state, { context = K.merged(state.context, K.copy(t)) })
  end
  function methods:with_options(t)
    local state = Executor.self(self, "with_options")
    K.check(t, 1, "with_options", "table")
    return with(state, { options = K.object(K.copy(t)) })
  end
  function methods:with_actor(actor) return with(Executor.self(self, "with_actor"), { actor = actor }) end
  function methods:with_scope(scope) return with(Executor.self(self, "with_scope"), { scope = scope }) end
  function methods:call(...) return call(Executor.self(self, "call"), ...) end
  function methods:async(...) return async(Executor.self(self, "async"), ...) end
  Executor = K.class("Executor", methods, {})

  local plain = {}
  local funcs = {}
  function funcs.call(...)
    if select("#", ...) == 0 then K.check(nil, 1, "call", "string") end
    return call(plain, ...)
  end
  function funcs.async(...)
    if select("#", ...) == 0 then K.check(nil, 1, "async", "string") end
    return async(plain, ...)
  end
  function funcs.new() return Executor.new({}) end
  funcs.all, funcs.any = K.await_all, K.await_any
  return funcs
end
