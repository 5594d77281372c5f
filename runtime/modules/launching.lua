-- What starting a function and starting a process have in common: ids, options, and builders that say as whom and in which context.
return function(K)
  local launching = {}

  -- True; or nil and INVALID. `what` is what the id should be of.
  function launching.check_id(id, n, fname, what)
    K.check(id, n, fname, "string")
    if not string.find(id, "^[^:]+:[^:]+$") then return K.invalid("'%s' is not %s id: expected namespace:name", id, what) end
    return true
  end

  -- Options as the host wants them (durations in ms), checked by its function `check`; or nil and INVALID.
  function launching.options(check, options)
    if options == nil then return K.object({}) end
    local text, problem = K.json_text(K.with_prefix(options, string.match(check, "%.(.*)") .. "."))
    if not text then return K.invalid("options: %s", problem) end
    local answer, err = K.host(check, text)
    if not answer then return nil, err end
    return K.json_decode(answer)
  end

  -- A command that starts `id`: as whom and in which context, where the builder says so; else it is its caller's.
  function launching.fields(state, id, options, ...)
    return {
      id = id, args = table.pack(...), options = options, ctx = state.context and K.merged(K.context, state.context),
      actor = state.actor, scope = state.scope,
    }
  end

  -- Adds to `methods` those that every builder has. `class()` is its class: a method gives a new object of it.
  function launching.builder(methods, class)
    local function changed(state, changes) return class().new(K.merged(state, changes)) end
    function methods:with_context(t)
      local state = class().self(self, "with_context")
      K.check(t, 1, "with_context", "table")
      local text, problem = K.json_encode(t)
      if not text then return K.invalid("context: %s", problem) end
      return changed(state, { context = K.merged(state.context, K.copy(t)) })
    end
    for _, what in ipairs({ "actor", "scope" }) do
      local name = "with_" .. what
      methods[name] = function(self, value)
        local state = class().self(self, name)
        local wire, err = K.use("modules/security/objects")[what .. "_of"](value, name)
        if not wire then return nil, err end
        return changed(state, { [what] = wire })
      end
    end
    return changed
  end

  return launching
end, "lasts"
