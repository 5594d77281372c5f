-- ctx: values that travel with a call from caller to callee. Read-only.
return function(K)
  local ctx = {}
  function ctx.get(key)
    K.check(key, 1, "get", "string")
    if key == "" then return K.invalid("the key is empty") end
    local value = K.context[key]
    if value == nil then
      return nil, K.error({ kind = K.kinds.NOT_FOUND, message = "no context value '" .. key .. "'", retryable = false })
    end
    return K.copy(value)
  end
  function ctx.all() return K.copy(K.context) end
  return ctx
end, "lasts"
