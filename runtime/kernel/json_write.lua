-- On first use of: json_text json_encode
-- Lua values to JSON text, by the rules of values that cross a boundary: integers and floats keep their subtype, `{}` is an array
-- unless marked, keys are written in order. Written in Lua so that a value's text depends on nothing but the kernel it was
-- encoded with.
return function(K)
  local raw = K.raw
  local type, mathtype, next, getmetatable = raw.type, raw.math.type, raw.next, raw.getmetatable
  local string, utf8, concat, sort = raw.string, raw.utf8, raw.table.concat, raw.table.sort
  local byte, find, format, gsub, tonumber = string.byte, string.find, string.format, string.gsub, raw.tonumber
  local huge = raw.math.huge
  local marks, null = K.json_marks, K.null
  local MAX_DEPTH = 128
  local SPECIAL = "[\0-\31\"\\\127-\255]" -- in a text that is not its own JSON

  local ESCAPES = raw.setmetatable(
    { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" },
    { __index = function(_, c) return format("\\u%04x", byte(c)) end }
  )

  -- What is being written: its pieces, and the keys that lead from the value to where the writer is.
  local out, n, root, keys, depth, levels, seen
  local firsts, others -- keys as they are written: as the first of an object, and behind a comma

  local function child(path, key)
    if type(key) == "number" then return path .. "[" .. key .. "]" end
    if find(key, "^[%a_][%w_]*$") then return path == "" and key or path .. "." .. key end
    return path .. "[" .. format("%q", key) .. "]"
  end

  -- A failure while encoding: a table {message}, so that it is told apart from other errors by its metatable.
  local Fault = {}
  local function fault(text)
    local path = root
    for i = 1, depth do path = child(path, keys[i]) end
    raw.error(raw.setmetatable({ message = (path == "" and "value" or "value at " .. path) .. " " .. text }, Fault), 0)
  end

  local function quote(value)
    if not utf8.len(value) then fault("is a string that is not valid UTF-8 (use payload.bytes for binary data)") end
    return '"' .. gsub(value, "[\0-\31\"\\\127]", ESCAPES) .. '"'
  end

  local function float(value)
    if value ~= value or value == huge or value == -huge then fault("is " .. K.tostring(value) .. ", which JSON cannot hold") end
    local text = format("%.15g", value)
    if tonumber(text) ~= value then
      text = format("%.16g", value)
      if tonumber(text) ~= value then text = format("%.17g", value) end
    end
    if not find(text, "[.e]") then text = text .. ".0" end
    return text
  end

  -- The sorted keys of an object and their number, or nil and the length of an array; or a fault.
  local function shape(t)
    local count, strings, top, names, bad = 0, 0, 0, nil, nil
    for k in next, t do
      count = count + 1
      if type(k) == "string" then
        strings = strings + 1
        if names then names[strings] = k else names = { k } end
      elseif mathtype(k) == "integer" and k >= 1 then
        if k > top then top = k end
      else
        bad = bad or {}
        bad[#bad + 1] = type(k) == "number" and "number outside 1..n" or K.type(k)
      end
    end
    if bad then
      sort(bad)
      fault("has a key that is a " .. bad[1])
    end
    local mark = marks[t]
    if count == 0 then return mark == "object" and {} or nil, 0 end
    if strings == count then
      if mark == "array" then fault("is marked as an array but has string keys") end
      if count > 1 then sort(names) end
      return names, count
    end
    if strings > 0 then fault("mixes string keys and array items") end
    if top ~= count then fault("is a sparse array (use json.null for holes)") end
    if mark == "object" then fault("is marked as an object but has array items") end
    return nil, count
  end

  local function refuse(value, kind)
    local what = kind == "thread" and "coroutine" or K.type(value)
    local info = kind == "function" and raw.getinfo(value, "S")
    if info and info.what ~= "C" and info.source ~= "=?" then
      what = what .. " (of " .. info.short_src .. ":" .. info.linedefined .. ")"
    end
    fault("is a " .. what .. ", which cannot leave the script")
  end

  -- What a sealed object becomes in a payload, or nil.
  local function plain_of(value)
    if value == null then return null end
    local class = K.class_of(value)
    if class and class.to_wire then return class.to_wire(class.state(value)) end
    if K.is_library(value) then fault("is a library table, which cannot leave the script") end
    if class then fault("is a " .. class.name .. ", which cannot leave the script") end
    return nil
  end

  local write

  -- `lead` is what stands before a value: a comma, a key.
  local function write_table(t, lead)
    if levels >= MAX_DEPTH then fault("is nested deeper than 128") end
    if seen[t] then fault("is part of a cycle") end
    seen[t] = true
    local names, count = shape(t)
    local above = depth
    local here = above + 1
    levels = levels + 1
    if names then
      n = n + 1
      out[n] = lead
      local written = firsts
      for i = 1, count do
        local key = names[i]
        local value = t[key]
        if value ~= null then
          local text = written[key]
          if not text then
            text = (written == firsts and "{" or ",") .. (find(key, SPECIAL) and quote(key) or '"' .. key .. '"') .. ":"
            written[key] = text
          end
          depth, keys[here] = here, key
          write(value, text)
          depth, written = above, others
        end
      end
      n = n + 1
      out[n] = written == others and "}" or "{}"
    else
      lead = lead .. "["
      depth = here
      for i = 1, count do
        keys[here] = i
        write(t[i], lead)
        lead = ","
      end
      depth = above
      n = n + 1
      out[n] = count > 0 and "]" or lead .. "]"
    end
    levels = levels - 1
    seen[t] = nil
  end

  function write(value, lead)
    local kind = type(value)
    local text
    if kind == "string" then
      text = find(value, SPECIAL) and quote(value) or '"' .. value .. '"'
    elseif kind == "number" then
      text = mathtype(value) == "integer" and value or float(value)
    elseif kind == "boolean" then
      text = value and "true" or "false"
    elseif kind == "nil" then
      text = "null"
    elseif kind == "table" then
      local plain = getmetatable(value) ~= nil and plain_of(value)
      if not plain then return write_table(value, lead) end
      if plain ~= null then return write(plain, lead) end
      text = "null"
    else
      refuse(value, kind)
    end
    n = n + 1
    out[n] = lead .. text
  end

  -- The text of `value`, or nil and what is wrong with it, naming the path inside it ("" for the value itself).
  function K.json_text(value, path)
    local before = out and { out, n, root, keys, depth, levels, seen, firsts, others } -- within the encoding of another
    out, n, root, keys, depth, levels, seen, firsts, others = {}, 0, path or "", {}, 0, 0, {}, {}, {}
    local ok, err = raw.pcall(write, value, "")
    local text = ok and concat(out)
    out, keys, seen, firsts, others = nil, nil, nil, nil, nil
    if before then out, n, root, keys, depth, levels, seen, firsts, others = raw.table.unpack(before) end
    if ok then return text end
    if type(err) == "table" and getmetatable(err) == Fault then return nil, err.message end
    raw.error(err, 0)
  end

  K.json_encode = K.json_text
end
