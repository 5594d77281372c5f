-- On first use of: decode encode take_blobs blob blobs_of
-- Values at a boundary: each is an encoding and bytes (Temporal's payload form) outside, a Lua value or a Payload inside.
return function(K)
  local raw, limits, host = K.raw, K.limits, K.host_function
  local type, find, sub, getmetatable, tointeger = raw.type, raw.string.find, raw.string.sub, raw.getmetatable, raw.math.tointeger

  -- Most values are a plain text, a number of a few digits or a boolean, for which the decoder need not be there.
  local TEXT, DIGITS, MOST = '^"[] !#-[^-~]*"$', "^[1-9]%d*$", 18

  function K.decode(encoding, bytes)
    if encoding == "binary/null" then return nil end
    if encoding == "json/plain" then
      if find(bytes, TEXT) then return sub(bytes, 2, -2) end
      if #bytes <= MOST and find(bytes, DIGITS) then return tointeger(raw.tonumber(bytes)) end
      if bytes == "true" or bytes == "false" then return bytes == "true" end
    end
    if encoding == "json/plain" or sub(encoding, 1, 5) == "json/" then
      local value, problem = K.json_value(bytes)
      if problem then return nil, "payload is not JSON: " .. problem end
      return value
    end
    return bytes
  end

  local MAX_SIZE = 32 * 1024 * 1024 -- of all values of a step
  local LARGE = 1024 * 1024 -- what took its time to be written
  local excused
  local function excuse(size)
    if size > MAX_SIZE then limits.exceed("values") end
    excused = excused + size
    if excused <= MAX_SIZE then host("large", size) end -- else some were not handed over
  end

  -- Encoding and bytes of `value`, or nil and what is wrong with it, naming the path.
  function K.encode(value, path)
    if getmetatable(value) and K.class_name(value) == "payload" then
      local encoding, inner, problem = K.payload_value(K.payload_class.state(value))
      if encoding then return encoding, inner end
      if problem then return nil, problem end
      value = inner
    end
    -- How long that takes on a busy machine does not count: a value is limited by its size.
    if type(value) == "string" and #value > MAX_SIZE then limits.exceed("values") end
    limits.is_sizing = true
    local text, problem = K.json_text(value, path)
    if text and #text > LARGE then excuse(#text) end
    limits.is_sizing = false
    if not text then return nil, problem end
    return "json/plain", text
  end

  -- The values of the answer that is being made: list of {encoding, bytes}.
  local blobs, size
  K.anew(function() blobs, size, excused = {}, 0, 0 end)
  function K.take_blobs()
    local taken = blobs
    blobs, size, excused = {}, 0, 0
    return taken
  end
  function K.blob(encoding, bytes)
    size = size + #bytes
    if size > MAX_SIZE then limits.exceed("values") end
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
end, "lasts"
