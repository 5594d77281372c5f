-- yaml: YAML text <-> values, by way of JSON's data model.
return function(K)
  local yaml = {}

  local function internal(err)
    return K.refusal({ kind = K.kinds.INTERNAL, message = err, retryable = false })
  end

  function yaml.encode(...)
    local text, problem = K.json_encode((...))
    if not text then return nil, internal(problem) end
    return K.host("yaml.encode", text)
  end

  function yaml.decode(text)
    K.check(text, 1, "decode", "string")
    local decoded, err = K.host("yaml.decode", text)
    if not decoded then
      if err:kind() == K.kinds.INTERNAL and K.use("modules/http/sent")(text) then return K.invalid("the request is %s", err:message()) end
      return nil, err
    end
    return (K.json_decode(decoded))
  end

  return yaml
end
