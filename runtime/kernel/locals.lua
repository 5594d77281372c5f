-- On first use of: locals
-- The locals of a coroutine as text, for whoever watches: cut short, and nothing of the script's is called for it.
return function(K)
  local raw = K.raw
  local getinfo, getlocal, type, tostring = raw.getinfo, raw.getlocal, raw.type, raw.tostring
  local sub, format, concat = raw.string.sub, raw.string.format, raw.table.concat
  local LOCALS, FIELDS, DEPTH, BYTES = 30, 8, 2, 120 -- of a frame, of a table; tables in tables; bytes of a text
  local WALKED = 1000 -- keys of a table that are looked at

  local function quoted(text)
    local whole = raw.utf8.len(text)
    if not whole then return "<" .. #text .. " bytes>" end
    local rest = ""
    if #text > BYTES then
      local last = BYTES
      while last > 0 and raw.string.byte(text, last + 1) & 0xC0 == 0x80 do last = last - 1 end
      text, rest = sub(text, 1, last), " … " .. #text .. " bytes"
    end
    return (raw.string.gsub(format("%q", text), "\\\n", "\\n")) .. rest
  end

  local shown
  -- Items in order, then named fields by name.
  local function fields(value, depth)
    local length, names, out = raw.rawlen(value), {}, {}
    for i = 1, raw.math.min(length, FIELDS) do out[i] = shown(raw.rawget(value, i), depth) end
    local count, seen = raw.math.max(0, length - FIELDS), 0
    for key in raw.next, value do
      seen = seen + 1
      if seen > WALKED then break end
      if not (raw.math.type(key) == "integer" and key >= 1 and key <= length) then
        if type(key) == "string" then names[#names + 1] = key else count = count + 1 end
      end
    end
    raw.table.sort(names)
    for _, name in raw.ipairs(names) do
      if #out < FIELDS then
        local field = raw.string.find(name, "^[%a_][%w_]*$") and name or "[" .. quoted(name) .. "]"
        out[#out + 1] = field .. " = " .. shown(raw.rawget(value, name), depth)
      else
        count = count + 1
      end
    end
    if count > 0 then out[#out + 1] = "… " .. count .. " more" end
    return "{" .. concat(out, ", ") .. "}"
  end

  function shown(value, depth)
    local kind = type(value)
    if kind == "string" then return quoted(value) end
    if kind == "number" or kind == "boolean" or kind == "nil" then return tostring(value) end
    local class = K.class_name(value)
    if class or kind ~= "table" or K.is_sealed(value) then return "<" .. (class or kind) .. ">" end
    return depth > 0 and fields(value, depth - 1) or "{…}"
  end

  local function of_level(co, level)
    local out, i = {}, 1
    while #out < LOCALS do
      local name, value = getlocal(co, level, i)
      if not name then break end
      if sub(name, 1, 1) ~= "(" then out[#out + 1] = { name = name, value = shown(value, DEPTH) } end
      i = i + 1
    end
    K.json_marks[out] = "array"
    return out
  end

  -- For each frame that `K.frames(co)` has: a list of {name, value}, in the order in which they were declared.
  function K.locals(co, limit)
    local out, level = {}, 0
    while #out < limit do
      local info = getinfo(co, level, "S")
      if not info then return out end
      if K.is_script(info) then out[#out + 1] = of_level(co, level) end
      level = level + 1
    end
    return out
  end
end, "lasts"
