-- On first use of: host
-- Pure host functions.
return function(K)
  local raw = K.raw
  local type = raw.type

  -- A pure host function: its values, or nil and an error object.
  local function unpack_host(ok, ...)
    if ok then return ... end
    local kind, message = ...
    if kind == "memory" then K.limits.exceed("memory") end
    return nil, K.refusal({ kind = kind, message = message, retryable = false })
  end
  local host = K.host_function
  -- Host functions run out of the budget's sight: a call is charged by the bytes it is given, and some by more.
  local PER_BYTE = {
    ["yaml.decode"] = 8, ["yaml.encode"] = 8, ["json.judged"] = 8, ["hash.fnv32"] = 2, ["hash.fnv64"] = 2,
    ["os.date"] = 4, ["options.activity"] = 4, ["options.workflow"] = 4,
  }
  local function charge(name, ...)
    local bytes = 0
    for i = 1, raw.select("#", ...) do
      local value = raw.select(i, ...)
      if type(value) == "string" then bytes = bytes + #value end
    end
    local weight = PER_BYTE[name]
    K.limits.charge(100 + (weight and bytes * weight or bytes // 16))
  end
  function K.host(name, ...)
    charge(name, ...)
    return unpack_host(host(name, ...))
  end
end, "lasts"
