-- Values at a boundary: each is an encoding and bytes (Temporal's payload form) outside, a Lua value or a Payload inside.
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
      if problem then return nil, K.error({ kind = K.kinds.INVALID, message = problem, retryable = false }) end
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
    if problem then return nil, K.error({ kind = K.kinds.INVALID, message = problem, retryable = false }) end
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

  function K.decode(encoding, bytes)
    if encoding == "binary/null" then return nil end
    if encoding:sub(1, 5) == "json/" then
      local value, problem = K.json_value(bytes)
      if problem then return nil, "payload is not JSON: " .. problem end
      return value
    end
    return bytes
  end

  -- Encoding and bytes of `value`, or nil and what is wrong with it, naming the path.
  function K.encode(value, path)
    local state = class.state(value)
    if state then
      if state.encoding then return state.encoding, state.bytes end
      if state.format == FORMATS.BYTES then return "binary/plain", state.value end
      if state.format == FORMATS.JSON then
        local _, problem = K.json_value(state.value)
        if problem then return nil, "payload is not JSON: " .. problem end
        return "json/plain", state.value
      end
      local problem
      value, problem = value_of(state)
      if problem then return nil, K.tostring(problem) end
    end
    local text, problem = K.json_text(value, path)
    if not text then return nil, problem end
    return "json/plain", text
  end

  class.to_wire = nil
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
    return class.new({ encoding = encoding, bytes = bytes, format = encoding:sub(1, 5) == "json/" and FORMATS.JSON
      or encoding == "binary/plain" and FORMATS.BYTES or FORMATS.LUA })
  end

  -- Blobs of the frame that is being written: list of {encoding, bytes}.
  local blobs, size = {}, 0
  local MAX_SIZE = 32 * 1024 * 1024 -- of all values of a step
  function K.take_blobs()
    local taken = blobs
    blobs, size = {}, 0
    return taken
  end
  function K.blob(encoding, bytes)
    size = size + #bytes
    if size > MAX_SIZE then K.limits.exceed("commands") end
    blobs[#blobs + 1] = { encoding, bytes }
    return #blobs - 1
  end

  -- Indexes of the packed values `packed` (with `n`) as blobs, or nil and an INVALID error; nothing is kept when one fails.
  function K.blobs_of(packed, what)
    local encoded = {}
    for i = 1, packed.n or #packed do
      local encoding, bytes = K.encode(packed[i], "")
      if not encoding then
        local _, err = K.invalid("%s %d: %s", what or "argument", i, bytes)
        return nil, err
      end
      encoded[i] = { encoding, bytes }
    end
    local indexes = {}
    for i = 1, #encoded do indexes[i] = K.blob(encoded[i][1], encoded[i][2]) end
    return indexes
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
end
