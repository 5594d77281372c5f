-- JSON text <-> Lua values, by the rules of values that cross a boundary: integers and floats keep their subtype, `{}` is
-- an array unless marked, a null inside an array is `json.null`, keys are written in order. Written in Lua so that a value's
-- text depends on nothing but the kernel it was encoded with.
return function(K)
  local raw = K.raw
  local type, mathtype, next, tostring = raw.type, raw.math.type, raw.next, raw.tostring
  local string, utf8, concat, sort = raw.string, raw.utf8, raw.table.concat, raw.table.sort
  local byte, find, sub, format, gsub = string.byte, string.find, string.sub, string.format, string.gsub
  local huge, tointeger = raw.math.huge, raw.math.tointeger
  local MAX_DEPTH = 128

  -- Tables that say what they are when empty: "array" or "object".
  local marks = raw.setmetatable({}, { __mode = "k" })
  K.json_marks = marks

  local null = K.class("null", {}, { __tostring = function() return "null" end }).new({})
  K.null = null

  local ESCAPES = raw.setmetatable(
    { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" },
    { __index = function(_, c) return format("\\u%04x", byte(c)) end }
  )

  -- A failure while encoding: a table {message}, so that it is told apart from other errors by its metatable.
  local Fault = {}
  local function fault(path, text)
    raw.error(raw.setmetatable({ message = (path == "" and "value" or "value at " .. path) .. " " .. text }, Fault), 0)
  end

  local function quote(value, path)
    if find(value, "[\0-\31\"\\\127-\255]") then
      if not utf8.len(value) then fault(path, "is a string that is not valid UTF-8 (use payload.bytes for binary data)") end
      value = gsub(value, "[\0-\31\"\\\127]", ESCAPES)
    end
    return '"' .. value .. '"'
  end

  local function number(value, path)
    if mathtype(value) == "integer" then return tostring(value) end
    if value ~= value or value == huge or value == -huge then fault(path, "is " .. K.tostring(value) .. ", which JSON cannot hold") end
    local text = format("%.15g", value)
    if raw.tonumber(text) ~= value then
      text = format("%.16g", value)
      if raw.tonumber(text) ~= value then text = format("%.17g", value) end
    end
    if not find(text, "[.e]") then text = text .. ".0" end
    return text
  end

  local function child(path, key)
    if type(key) == "number" then return path .. "[" .. key .. "]" end
    if find(key, "^[%a_][%w_]*$") then return path == "" and key or path .. "." .. key end
    return path .. "[" .. format("%q", key) .. "]"
  end

  -- "array" with its length, "object" with its sorted keys; or a fault.
  local function shape(t, path)
    local count, strings, top = 0, 0, 0
    local keys, bad
    for k in next, t do
      count = count + 1
      if type(k) == "string" then
        strings = strings + 1
        keys = keys or {}
        keys[strings] = k
      elseif mathtype(k) == "integer" and k >= 1 then
        if k > top then top = k end
      else
        bad = bad or {}
        bad[#bad + 1] = type(k) == "number" and "number outside 1..n" or K.type(k)
      end
    end
    if bad then
      sort(bad)
      fault(path, "has a key that is a " .. bad[1])
    end
    local mark = marks[t]
    if count == 0 then return mark or "array", mark == "object" and {} or 0 end
    if strings == count then
      if mark == "array" then fault(path, "is marked as an array but has string keys") end
      sort(keys)
      return "object", keys
    end
    if strings > 0 then fault(path, "mixes string keys and array items") end
    if top ~= count then fault(path, "is a sparse array (use json.null for holes)") end
    if mark == "object" then fault(path, "is marked as an object but has array items") end
    return "array", count
  end

  local encode_value

  -- What a sealed object becomes in a payload, or nil.
  local function plain_of(value, path)
    if value == null then return null end
    local class = K.class_of(value)
    if class and class.to_wire then return class.to_wire(class.state(value)) end
    if K.is_library(value) then fault(path, "is a library table, which cannot leave the script") end
    if class then fault(path, "is a " .. class.name .. ", which cannot leave the script") end
    return nil
  end

  local function encode_table(t, path, depth, seen, out, n)
    if depth > MAX_DEPTH then fault(path, "is nested deeper than 128") end
    if seen[t] then fault(path, "is part of a cycle") end
    seen[t] = true
    local kind, items = shape(t, path)
    if kind == "array" then
      n = n + 1
      out[n] = "["
      for i = 1, items do
        if i > 1 then n = n + 1; out[n] = "," end
        n = encode_value(raw.rawget(t, i), path, i, depth, seen, out, n)
      end
      n = n + 1
      out[n] = "]"
    else
      n = n + 1
      out[n] = "{"
      local written = false
      for i = 1, #items do
        local key = items[i]
        local value = raw.rawget(t, key)
        if value ~= null then
          if written then n = n + 1; out[n] = "," end
          written = true
          n = n + 1
          out[n] = quote(key, path) .. ":"
          n = encode_value(value, path, key, depth, seen, out, n)
        end
      end
      n = n + 1
      out[n] = "}"
    end
    seen[t] = nil
    return n
  end

  function encode_value(value, path, key, depth, seen, out, n)
    local kind = type(value)
    if kind == "string" then
      n = n + 1
      out[n] = (not find(value, "[\0-\31\"\\\127-\255]")) and '"' .. value .. '"' or quote(value, key and child(path, key) or path)
      return n
    elseif kind == "number" then
      n = n + 1
      out[n] = number(value, key and child(path, key) or path)
      return n
    elseif kind == "boolean" then
      n = n + 1
      out[n] = value and "true" or "false"
      return n
    elseif kind == "nil" then
      n = n + 1
      out[n] = "null"
      return n
    end
    local here = key and child(path, key) or path
    if kind == "table" then
      if raw.getmetatable(value) ~= nil then
        local plain = plain_of(value, here)
        if plain == null then
          n = n + 1
          out[n] = "null"
          return n
        elseif plain ~= nil then
          return encode_value(plain, here, nil, depth, seen, out, n)
        end
      end
      return encode_table(value, here, depth + 1, seen, out, n)
    end
    local what = kind == "thread" and "coroutine" or K.type(value)
    local info = kind == "function" and raw.getinfo(value, "S")
    if info and info.what ~= "C" and info.source ~= "=?" then
      what = what .. " (of " .. info.short_src .. ":" .. info.linedefined .. ")"
    end
    fault(here, "is a " .. what .. ", which cannot leave the script")
  end

  -- The text of `value`, or nil and what is wrong with it, naming the path inside it ("" for the value itself).
  function K.json_text(value, path)
    local out = {}
    local ok, err = raw.pcall(encode_value, value, path or "", nil, 0, {}, out, 0)
    if ok then return concat(out) end
    if type(err) == "table" and raw.getmetatable(err) == Fault then return nil, err.message end
    raw.error(err, 0)
  end

  -- Decoding.

  local UNESCAPE = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

  local function bad(position, text)
    raw.error(raw.setmetatable({ message = text .. " at byte " .. position }, Fault), 0)
  end

  local function skip(s, i)
    return find(s, "[^ \n\r\t]", i) or #s + 1
  end

  local function unescape(s, start)
    local function unicode(high, low)
      local code = raw.tonumber(high, 16)
      if low and code >= 0xD800 and code < 0xDC00 then
        local second = raw.tonumber(low, 16)
        if second >= 0xDC00 and second < 0xE000 then
          return utf8.char(0x10000 + (code - 0xD800) * 0x400 + (second - 0xDC00))
        end
      end
      if code >= 0xD800 and code < 0xE000 then return "\u{FFFD}" .. (low and unicode(low) or "") end
      return utf8.char(code) .. (low and unicode(low) or "")
    end
    local out, n, i = {}, 0, 1
    while true do
      local j = find(s, "\\", i, true)
      n = n + 1
      if not j then
        out[n] = sub(s, i)
        return concat(out)
      end
      out[n] = sub(s, i, j - 1)
      local c = sub(s, j + 1, j + 1)
      n = n + 1
      if c == "u" then
        local high = string.match(s, "^%x%x%x%x", j + 2)
        if not high then bad(start + j, "invalid \\u escape") end
        local low = find(high, "^[dD][89abAB]") and string.match(s, "^\\u(%x%x%x%x)", j + 6)
        out[n] = unicode(high, low)
        i = j + 6 + (low and 6 or 0)
      else
        local plain = UNESCAPE[c]
        if not plain then bad(start + j, "invalid escape") end
        out[n] = plain
        i = j + 2
      end
    end
  end

  local function decode_string(s, i)
    local j = i + 1
    local escaped = false
    while true do
      local k = find(s, '["\\\0-\31]', j)
      if not k then bad(i, "unterminated string") end
      local c = byte(s, k)
      if c == 34 then
        local text = sub(s, i + 1, k - 1)
        if escaped then text = unescape(text, i) end
        return text, k + 1
      elseif c == 92 then
        escaped = true
        j = k + 2
      else
        bad(k, "control character in string")
      end
    end
  end

  local function decode_number(s, i)
    local _, j = find(s, "^-?%d+", i)
    if not j then bad(i, "invalid value") end
    local digits = sub(s, i, j)
    if find(digits, "^-?0%d") then bad(i, "number with a leading zero") end
    local _, k = find(s, "^%.%d+", j + 1)
    if k then j = k end
    _, k = find(s, "^[eE][+-]?%d+", j + 1)
    if k then j = k end
    if find(s, "^[%w.]", j + 1) then bad(i, "invalid number") end
    return raw.tonumber(sub(s, i, j)), j + 1
  end

  local decode_value

  local function decode_array(s, i, depth)
    local array, n = {}, 0
    i = skip(s, i + 1)
    if byte(s, i) == 93 then return array, i + 1 end
    while true do
      local value
      value, i = decode_value(s, i, depth)
      n = n + 1
      if value == nil then value = null end
      array[n] = value
      i = skip(s, i)
      local c = byte(s, i)
      if c == 93 then return array, i + 1 end
      if c ~= 44 then bad(i, "expected ',' or ']'") end
      i = skip(s, i + 1)
    end
  end

  local function decode_object(s, i, depth)
    local object = {}
    i = skip(s, i + 1)
    if byte(s, i) == 125 then
      marks[object] = "object"
      return object, i + 1
    end
    while true do
      if byte(s, i) ~= 34 then bad(i, "expected a string key") end
      local key, value
      key, i = decode_string(s, i)
      i = skip(s, i)
      if byte(s, i) ~= 58 then bad(i, "expected ':'") end
      value, i = decode_value(s, skip(s, i + 1), depth)
      object[key] = value
      i = skip(s, i)
      local c = byte(s, i)
      if c == 125 then
        if next(object) == nil then marks[object] = "object" end
        return object, i + 1
      end
      if c ~= 44 then bad(i, "expected ',' or '}'") end
      i = skip(s, i + 1)
    end
  end

  function decode_value(s, i, depth)
    local c = byte(s, i)
    if c == 34 then
      return decode_string(s, i)
    elseif c == 123 or c == 91 then
      if depth >= MAX_DEPTH then bad(i, "nested deeper than 128") end
      return (c == 123 and decode_object or decode_array)(s, i, depth + 1)
    elseif c == 116 and sub(s, i, i + 3) == "true" then
      return true, i + 4
    elseif c == 102 and sub(s, i, i + 4) == "false" then
      return false, i + 5
    elseif c == 110 and sub(s, i, i + 3) == "null" then
      return nil, i + 4
    elseif c == nil then
      bad(i, "unexpected end")
    end
    return decode_number(s, i)
  end

  local function decode_all(s)
    if not utf8.len(s) then bad(1, "text is not valid UTF-8") end
    local value, i = decode_value(s, skip(s, 1), 0)
    i = skip(s, i)
    if i <= #s then bad(i, "unexpected text after the value") end
    return value
  end

  -- The value, or nil and what is wrong. A top-level null is nil with no message.
  function K.json_value(text)
    local ok, value = raw.pcall(decode_all, text)
    if ok then return value end
    if type(value) == "table" and raw.getmetatable(value) == Fault then return nil, value.message end
    raw.error(value, 0)
  end

  function K.json_encode(value) return K.json_text(value) end
  function K.json_decode(text) return K.json_value(text) end

  -- For log fields and error details: everything that has no JSON form becomes its text instead of a fault.
  function K.plain(value, depth)
    depth = depth or 0
    local kind = type(value)
    if kind == "string" then return utf8.len(value) and value or gsub(value, "[\128-\255]", "?") end
    if kind == "number" then
      if value ~= value or value == huge or value == -huge then return K.tostring(value) end
      return value
    end
    if kind == "boolean" or kind == "nil" then return value end
    if kind == "table" and depth < 32 then
      if K.is_sealed(value) then
        local class = K.class_of(value)
        if class.to_wire then return K.plain(class.to_wire(class.state(value)), depth + 1) end
        return K.tostring(value)
      end
      local copy, items = {}, raw.rawlen(value) -- the table as it is, whatever its metatable says
      local only_array = true
      for k in next, value do
        if not (mathtype(k) == "integer" and k >= 1 and k <= items) then only_array = false end
      end
      if only_array then
        for i = 1, items do
          local v = K.plain(raw.rawget(value, i), depth + 1)
          copy[i] = v == nil and null or v
        end
        if marks[value] then marks[copy] = marks[value] end
        return copy
      end
      local ok = K.limits.guard(raw.pcall(function()
        for k, v in K.raw_pairs(value) do copy[K.plain(K.tostring(k), 32)] = K.plain(v, depth + 1) end
      end))
      if ok then return copy end
      local named, text = K.limits.guard(raw.pcall(K.tostring, value))
      return named and K.plain(text) or "a table that has no text"
    end
    local named, text = K.limits.guard(raw.pcall(K.tostring, value))
    return named and (kind == "table" and K.plain(text) or text) or "a table that has no text"
  end

  -- The fields of a log line: always an object, under names that are text.
  function K.plain_fields(fields)
    local named, copy = {}, {}
    for k, v in next, fields or {} do
      if type(k) == "string" or type(k) == "number" then named[k] = v end
    end
    for k, v in K.raw_pairs(named) do copy[K.plain(K.tostring(k))] = K.plain(v) end
    marks[copy] = "object"
    return copy
  end
  K.tointeger = tointeger
end
