-- logger: structured lines; the host adds pid and run, and stays silent while a workflow replays.
return function(K)
  local Logger
  local methods = {}
  for _, level in ipairs({ "debug", "info", "warn", "error" }) do
    methods[level] = function(self, message, fields)
      local state = Logger.self(self, level)
      K.check(message, 1, level, "any")
      K.check(fields, 2, level, "table", true)
      K.log(level, K.tostring(message), K.merged(state.fields, fields), state.name)
    end
  end
  function methods:with(fields)
    local state = Logger.self(self, "with")
    K.check(fields, 1, "with", "table")
    return Logger.new({ fields = K.merged(state.fields, K.copy(fields)), name = state.name })
  end
  function methods:named(name)
    local state = Logger.self(self, "named")
    K.check(name, 1, "named", "string")
    return Logger.new({ fields = state.fields, name = state.name and state.name .. "." .. name or name })
  end
  Logger = K.class("logger", methods, {})
  return Logger.new({ fields = {} })
end, "lasts"
