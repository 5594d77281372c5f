-- env: the registered environment variables.
return function(K)
  local env = {}

  local function named(name, fname)
    K.check(name, 1, fname, "string")
    if name == "" then return K.invalid("the name of the variable is empty") end
    return true
  end

  function env.get(name)
    local ok, err = named(name, "get")
    if not ok then return nil, err end
    return K.request("env.get", { name = name })
  end

  function env.set(name, value)
    local ok, err = named(name, "set")
    if not ok then return nil, err end
    K.check(value, 2, "set", "string")
    return K.request("env.set", { name = name, args = { value, n = 1 } })
  end

  function env.get_all() return K.request("env.get_all", {}) end

  return env
end
