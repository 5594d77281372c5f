-- funcs: call functions. In a workflow a call is an activity; elsewhere it runs on this host.
return function(K)
  local select = select
  local kinds = K.kinds
  local launching = K.use("modules/launching")

  local function launch(state, fname, id, ...)
    local ok, err = launching.check_id(id, 1, fname, "a function")
    if not ok then return nil, err end
    local options
    options, err = launching.options("options.activity", state.options)
    if not options then return nil, err end
    return K.command("call", launching.fields(state, id, options, ...))
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
  local changed = launching.builder(methods, function() return Executor end)
  function methods:with_options(t)
    local state = Executor.self(self, "with_options")
    K.check(t, 1, "with_options", "table")
    return changed(state, { options = K.object(K.copy(t)) })
  end
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
  function funcs.all(...) return K.await_all(...) end
  function funcs.any(...) return K.await_any(...) end
  return funcs
end, "lasts"
