-- json: text and values. Faults are those of a boundary, reported as INTERNAL.
return function(K)
  local json = {}
  local KEYWORD = 180 -- instructions for each keyword that is looked at

  local function internal(message)
    return nil, K.refusal({ kind = K.kinds.INTERNAL, message = message, retryable = false })
  end

  function json.encode(...)
    if select("#", ...) == 0 then K.misuse("bad argument #1 to 'encode' (value expected)") end
    local text, problem = K.json_encode((...))
    if not text then return internal("json.encode: " .. problem) end
    return text
  end

  function json.decode(text)
    K.check(text, 1, "decode", "string")
    if text == "" then return K.invalid("json.decode: the text is empty") end
    local value, problem = K.json_decode(text)
    if problem then
      if K.use("modules/http/sent")(text) then return K.invalid("the request is not JSON: %s", problem) end
      return internal("json.decode: " .. problem)
    end
    return value
  end

  local function marked(kind)
    return function(t)
      K.check(t, 1, kind, "table", true)
      t = t or {}
      K.json_marks[t] = kind
      return t
    end
  end
  json.object, json.array = marked("object"), marked("array")
  json.null = K.null

  local function schema_text(schema, fname)
    if type(schema) == "string" then return schema end
    if K.type(schema) ~= "table" then return nil, fname .. ": the schema must be a table or JSON text" end
    return K.json_encode(schema)
  end

  local function validate(fname, schema, text)
    local schema_json, problem = schema_text(schema, fname)
    if not schema_json then return false, K.error({ kind = K.kinds.INVALID, message = problem, retryable = false }) end
    local refused, work = K.host("json.judged", schema_json, text)
    K.limits.charge(work * KEYWORD)
    if refused == nil then return true end
    return false, K.refusal({ kind = K.kinds.INVALID, message = refused, retryable = false })
  end

  function json.validate(schema, value)
    if value == nil then
      return false, K.error({ kind = K.kinds.INVALID, message = "data is required", retryable = false })
    end
    local text, problem = K.json_encode(value)
    if not text then return false, K.error({ kind = K.kinds.INVALID, message = problem, retryable = false }) end
    return validate("validate", schema, text)
  end
  function json.validate_string(schema, text)
    K.check(text, 2, "validate_string", "string")
    return validate("validate_string", schema, text)
  end
  return json
end, "lasts"
