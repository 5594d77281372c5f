-- uuid: random and time come from the run, so a replay makes the same identifiers.
return function(K)
  local uuid = {}

  function uuid.v1() return K.host("uuid.v1", K.now(), K.random_bytes(8)) end
  function uuid.v4() return K.host("uuid.v4", K.random_bytes(16)) end

  -- Later ones sort after earlier ones: within a millisecond by a counter, and when that is full by running ahead.
  local millisecond, counter
  K.anew(function() millisecond, counter = 0, 0 end)
  function uuid.v7()
    K.changes("random")
    local now = K.now() // 1000000
    if now > millisecond then
      millisecond, counter = now, K.random_int(0, 0x7ff)
    elseif counter < 0xfff then
      counter = counter + 1
    else
      millisecond, counter = millisecond + 1, 0
    end
    return K.host("uuid.v7", millisecond, counter, K.random_bytes(8))
  end

  for _, name in ipairs({ "v3", "v5" }) do
    uuid[name] = function(namespace, text)
      K.check(namespace, 1, name, "string")
      K.check(text, 2, name, "string")
      return K.host("uuid." .. name, namespace, text)
    end
  end

  function uuid.validate(id)
    if type(id) ~= "string" then return false end
    return K.host("uuid.validate", id)
  end

  -- Functions that judge a value answer INVALID for one of the wrong type, too.
  local function judge(name, id, ...)
    if type(id) ~= "string" then return K.invalid("not a UUID: a %s", K.type(id)) end
    return K.host("uuid." .. name, id, ...)
  end

  function uuid.version(id) return judge("version", id) end
  function uuid.variant(id) return judge("variant", id) end

  function uuid.parse(id)
    local version, variant, timestamp, node = judge("parse", id)
    if not version then return nil, variant end
    return { version = version, variant = variant, timestamp = timestamp, node = node }
  end

  function uuid.format(id, form)
    if form ~= nil and type(form) ~= "string" then return K.invalid("a UUID format is a string, not a %s", K.type(form)) end
    return judge("format", id, form or "standard")
  end

  return uuid
end, "lasts"
