-- On first use of: json_text json_encode
-- Lua values to JSON text, by the rules of values that cross a boundary: integers and floats keep their subtype, `{}` is an array
-- unless marked, keys are written in order. Written in Lua so that a value's text depends on nothing but the kernel it was
-- encoded with.
return function(K)
  local raw = K.raw
  local type, mathtype, next, tostring = raw.type, raw.math.type, raw.next, raw.tostring
  local string, utf8, concat, sort = raw.string, raw.utf8, raw.table.concat, raw.table.sort
  local byte, find, format, gsub = string.byte, string.find, string.format, string.gsub
  local huge = raw.math.huge
  local marks, null = K.json_marks, K.null
  local MAX_DEPTH = 128

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

  K.json_encode = K.json_text
end
