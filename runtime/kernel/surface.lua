-- On first use of: pid now log detached random_bytes random_int uuid parse_duration check_duration with_prefix copy
-- What modules need beyond the kernel proper: the clock, log lines, random numbers, durations, copies of tables.
return function(K)
  local raw = K.raw
  local type = raw.type

  function K.pid() return K.boot.pid or "" end
  function K.now() return K.time end

  function K.log(level, message, fields, name)
    local size = type(message) == "string" and #message or 0
    K.limits.charge(150 + size // 5)
    if K.readonly then return end
    K.emit_line({ op = "log", level = level, message = K.plain(message), fields = K.plain_fields(fields), logger = K.plain(name) })
  end

  -- Runs `fn` shielded from cancellation of the run; what it spawns is shielded too.
  function K.detached(fn)
    local task = K.current
    if not task then return fn() end
    task.detached = task.detached + 1
    local packed = raw.table.pack(raw.pcall(fn))
    task.detached = task.detached - 1
    K.limits.guard(packed[1], packed[2])
    if not packed[1] then raw.error(packed[2], 0) end
    return raw.table.unpack(packed, 2, packed.n)
  end

  local random = raw.math.random
  function K.random_bytes(n)
    K.changes("random")
    local out = {}
    for i = 1, n do out[i] = raw.string.char(random(0, 255)) end
    return raw.table.concat(out)
  end
  function K.random_int(lo, hi)
    K.changes("random")
    return random(lo, hi)
  end

  -- "8-4-4-4-12", version 4, from the run's seed.
  function K.uuid()
    local b = { raw.string.byte(K.random_bytes(16), 1, 16) }
    b[7] = b[7] & 0x0f | 0x40
    b[9] = b[9] & 0x3f | 0x80
    return raw.string.format("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", raw.table.unpack(b))
  end

  -- Nanoseconds of a number, Go text or a Duration; or nil and what is wrong.
  function K.parse_duration(value)
    local class = K.class_of(value)
    if class and class.name == "Duration" then return class.state(value).ns end
    return K.use("modules/time/duration").parse(value)
  end

  -- Raises for what no duration is made of.
  function K.check_duration(value, n, fname)
    local kind, class = type(value), K.class_of(value)
    if kind ~= "string" and kind ~= "number" and not (class and class.name == "Duration") then
      K.misuse("bad argument #%d to '%s' (duration expected: text, nanoseconds or Duration; got %s)", n, fname, K.type(value))
    end
  end

  -- The options that the host knows something of: under `prefix` or its alias, and `timeout`. Others are nobody's concern here.
  function K.with_prefix(options, prefix)
    local known, alias = K.object({}), "temporal." .. prefix
    for key, value in raw.next, options do
      if type(key) == "string" and (key == "timeout" or raw.string.sub(key, 1, #prefix) == prefix
        or raw.string.sub(key, 1, #alias) == alias) then
        known[key] = value
      end
    end
    return known
  end

  -- Deep copies of plain tables, so that what a caller changes later changes nothing that was handed over.
  function K.copy(value, depth)
    if type(value) ~= "table" or K.is_sealed(value) or K.is_library(value) then return value end
    depth = depth or 0
    if depth > 128 then K.misuse("value is nested deeper than 128 or part of a cycle") end
    local copy = {}
    for k, v in raw.next, value do copy[k] = K.copy(v, depth + 1) end
    if K.json_marks[value] then K.json_marks[copy] = K.json_marks[value] end
    return copy
  end
end, "lasts"
