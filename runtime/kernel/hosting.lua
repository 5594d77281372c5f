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
    ["yaml.decode"] = 100, ["yaml.encode"] = 60, ["json.judged"] = 12, ["hash.fnv32"] = 4, ["hash.fnv64"] = 4, ["base64.decode"] = 0.25, ["base64.encode"] = 0.1, ["pattern.matches"] = 0.125,
    ["os.date"] = 4, ["options.activity"] = 4, ["options.workflow"] = 4,
  }
  -- What a call takes whatever it is given, where that is more than of most.
  local PER_CALL = {
    ["yaml.decode"] = 3000, ["yaml.encode"] = 1000, ["os.date"] = 2500, ["json.judged"] = 1400, ["pattern.matches"] = 2000,
    ["uuid.v1"] = 300, ["uuid.v3"] = 500, ["uuid.v4"] = 600, ["uuid.v5"] = 800, ["uuid.v7"] = 300, ["uuid.parse"] = 800,
    ["crypto.hmac"] = 400, ["crypto.encrypt"] = 1300, ["crypto.decrypt"] = 1300, ["crypto.jwt_encode"] = 4000, ["crypto.jwt_verify"] = 4000,
    ["uuid.version"] = 400, ["uuid.variant"] = 400, ["uuid.format"] = 600,
  }
  local function charge(name, ...)
    local bytes = 0
    for i = 1, raw.select("#", ...) do
      local value = raw.select(i, ...)
      if type(value) == "string" then bytes = bytes + #value end
    end
    local weight = PER_BYTE[name]
    K.limits.charge((PER_CALL[name] or 200) + (weight and bytes * weight // 1 | 0 or bytes // 16))
  end
  function K.host(name, ...)
    charge(name, ...)
    return unpack_host(host(name, ...))
  end
end, "lasts"
