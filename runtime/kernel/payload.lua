-- On first use of: payload payload_class payload_formats payload_to_wire payload_value incoming
-- Payloads: values as they travel, an encoding and bytes, or a Lua value with the format it is to have.
return function(K)
  local raw = K.raw
  local type, select = raw.type, raw.select

  local FORMATS = {
    JSON = "json/plain", YAML = "yaml/plain", STRING = "text/plain", BYTES = "application/octet-stream",
    MSGPACK = "application/msgpack", LUA = "lua/any", GOLANG = "golang/any", ERROR = "golang/error",
  }

  local class
  local methods = {}

  -- A payload that came from outside decodes when it is first asked for.
  local function data_of(state)
    if state.encoding then
      local value, problem = K.decode(state.encoding, state.bytes)
      if problem then return nil, K.refusal({ kind = K.kinds.INVALID, message = problem, retryable = false }) end
      return value
    end
    return state.value
  end

  -- The value that the text of a transcoded payload stands for; the data of any other.
  local function value_of(state)
    if state.encoding then return data_of(state) end
    local text = state.value
    if state.format == FORMATS.YAML then
      local err
      text, err = K.host("yaml.decode", text)
      if err then return nil, err end
    elseif state.format ~= FORMATS.JSON then
      return text
    end
    local value, problem = K.json_value(text)
    if problem then return nil, K.refusal({ kind = K.kinds.INVALID, message = problem, retryable = false }) end
    return value
  end

  function methods:data() return data_of(class.self(self, "data")) end
  function methods:unmarshal() return value_of(class.self(self, "unmarshal")) end
  function methods:get_format() return class.self(self, "get_format").format end

  function methods:transcode(wanted)
    local state = class.self(self, "transcode")
    K.check(wanted, 1, "transcode", "string")
    if wanted == state.format then return self end
    local as_text = wanted == FORMATS.STRING or wanted == FORMATS.BYTES
    local value, err = (as_text and data_of or value_of)(state)
    if err then return nil, err end
    if wanted == FORMATS.LUA then return class.new({ format = wanted, value = value }) end
    if wanted == FORMATS.JSON or wanted == FORMATS.YAML then
      local text, problem = K.json_text(value)
      if not text then return K.invalid(problem) end
      if wanted == FORMATS.YAML then
        text, err = K.host("yaml.encode", text)
        if err then return nil, err end
      end
      return class.new({ format = wanted, value = text })
    end
    if as_text then
      if type(value) == "table" and not K.is_error(value) then
        local text, problem = K.json_text(value)
        if not text then return K.invalid(problem) end
        return class.new({ format = wanted, value = text })
      end
      return class.new({ format = wanted, value = K.tostring(value) })
    end
    return K.invalid("cannot transcode %s to %s", state.format, wanted)
  end

  class = K.class("payload", methods, {
    __tostring = function(self) return "payload{" .. class.state(self).format .. "}" end,
  })
  K.payload_class = class
  K.payload_formats = FORMATS

  -- What a payload is as it leaves the script: encoding and bytes, or a value that still has to be encoded (`nil, value`); and
  -- what is wrong with it (`nil, nil, problem`).
  function K.payload_value(state)
    if state.encoding then return state.encoding, state.bytes end
    if state.format == FORMATS.BYTES then return "binary/plain", state.value end
    if state.format == FORMATS.JSON then
      local _, problem = K.json_value(state.value)
      if problem then return nil, nil, "payload is not JSON: " .. problem end
      return "json/plain", state.value
    end
    local value, problem = value_of(state)
    if problem then return nil, nil, K.tostring(problem) end
    return nil, value
  end

  -- A Payload inside a value travels as its value.
  K.payload_to_wire = function(state)
    local value, err = value_of(state)
    if err then raw.error(err, 0) end
    if value == nil then return K.null end
    return value
  end
  do
    local found = K.class_of(class.new({ format = FORMATS.LUA }))
    found.to_wire = K.payload_to_wire
  end

  function K.incoming(encoding, bytes)
    return class.new({ encoding = encoding, bytes = bytes, format = raw.string.sub(encoding, 1, 5) == "json/" and FORMATS.JSON
      or encoding == "binary/plain" and FORMATS.BYTES or FORMATS.LUA })
  end

  local payload = { format = K.freeze(FORMATS, "payload.format") }
  function payload.new(...)
    if select("#", ...) == 0 then K.misuse("bad argument #1 to 'new' (value expected)") end
    local value = ...
    if class.state(value) then return value end
    return class.new({ format = K.is_error(value) and FORMATS.ERROR or FORMATS.LUA, value = value })
  end
  function payload.bytes(s)
    K.check(s, 1, "bytes", "string")
    return class.new({ format = FORMATS.BYTES, value = s })
  end
  K.payload = payload
end, "lasts"
