-- On first use of: json_text json_encode
-- Lua values to JSON text, by the rules of values that cross a boundary: integers and floats keep their subtype, `{}` is an array
-- unless marked, keys are written in order. Written in Lua so that a value's text depends on nothing but the kernel it was
-- encoded with.
return function(K)
  local raw = K.raw
  local type, mathtype, next, getmetatable = raw.type, raw.math.type, raw.next, raw.getmetatable
  local SHORT = 256 -- bytes that are not charged
  local string, utf8, concat, sort = raw.string, raw.utf8, raw.table.concat, raw.table.sort
  local byte, find, format, gsub, sub = string.byte, string.find, string.format, string.gsub, string.sub
  local tonumber = raw.tonumber
  local huge = raw.math.huge
  local marks, null = K.json_marks, K.null
  local MAX_DEPTH = 128
  local PLAIN = "^[]-~ !#-[]*$" -- a text that is its own JSON: the quickest way to say that nothing is to be escaped in it

  local ESCAPES = raw.setmetatable(
    { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" },
    { __index = function(_, c) return format("\\u%04x", byte(c)) end }
  )

  -- What is being written: its pieces, and the keys that lead from the value to where the writer is.
  local out, root, keys, depth, levels, seen
  local likely -- by what stands before an object: the form of the last one there
  K.anew(function() out, root, keys, depth, levels, seen, likely = nil, nil, nil, nil, nil, nil, nil end)

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
    if value % 1 == 0 and value ~= 0 and value < 1e15 and value > -1e15 then return (value // 1 | 0) .. ".0" end
    local text = format("%.15g", value)
    if tonumber(text) ~= value then
      text = format("%.16g", value)
      if tonumber(text) ~= value then text = format("%.17g", value) end
    end
    if value % 1 == 0 and not find(text, "[.e]") then text = text .. ".0" end
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
    if class then fault("is a " .. class.name .. ", which cannot leave the script" .. K.instead(class.name)) end
    return nil
  end

  local function lead_of(key, i) return (i == 1 and "{" or ",") .. quote(key) .. ":" end

  -- How an object with these keys is written: the keys in order, and what stands before each value, where that is plain.
  local function form_of(names, count)
    local leads = {}
    for i = 1, count do
      local key = names[i]
      leads[i] = find(key, PLAIN) and (i == 1 and '{"' or ',"') .. key .. '":'
    end
    return { names = names, leads = leads, count = count }
  end

  -- The form of an object, or nil and the length of an array; or a fault. Most objects have the keys of the one before. In
  -- which order `next` gives the keys may not count.
  local function form_or_length(t, lead)
    if getmetatable(t) == nil then
      local count, form, mark = 0, likely[lead], marks[t]
      for _ in next, t do count = count + 1 end
      if form and form.count == count and mark ~= "array" then
        local names, i = form.names, 1
        while i <= count and t[names[i]] ~= nil do i = i + 1 end
        if i > count then return form end
      elseif t[1] ~= nil and mark ~= "object" then
        local i = 2
        while t[i] ~= nil do i = i + 1 end
        if i > count then return nil, count end
      end
    end
    local names, count = shape(t)
    if not names then return nil, count end
    local form = form_of(names, count)
    likely[lead] = count > 0 and form or nil
    return form
  end

  local write

  -- `write` of what usually is in a table, without a call; all else is given to it, with the key that a fault names.
  local function write_items(t, lead, n, count)
    local items = out
    lead = lead .. "["
    local above = depth
    for i = 1, count do
      local value = t[i]
      local kind = type(value)
      n = n + 1
      if kind == "string" and find(value, PLAIN) then
        items[n] = lead .. '"' .. value .. '"'
      elseif kind == "number" and mathtype(value) == "integer" then
        items[n] = lead .. value
      else
        depth = above + 1
        keys[depth] = i
        n = write(value, lead, n - 1)
        depth = above
      end
      lead = ","
    end
    n = n + 1
    items[n] = count > 0 and "]" or lead .. "]"
    return n
  end

  local function write_fields(t, lead, n, form)
    local items, names, leads = out, form.names, form.leads
    local above, first = depth, true
    n = n + 1
    items[n] = lead
    for i = 1, form.count do
      local key = names[i]
      local value = t[key]
      if value ~= null then
        lead = leads[i] or lead_of(key, i)
        if first then
          if i > 1 then lead = "{" .. sub(lead, 2) end
          first = false
        end
        local kind = type(value)
        n = n + 1
        if kind == "string" and find(value, PLAIN) then
          items[n] = lead .. '"' .. value .. '"'
        elseif kind == "number" and mathtype(value) == "integer" then
          items[n] = lead .. value
        else
          depth = above + 1
          keys[depth] = key
          n = write(value, lead, n - 1)
          depth = above
        end
      end
    end
    n = n + 1
    items[n] = first and "{}" or "}"
    return n
  end

  -- `lead` is what stands before a value: a comma, a key.
  local function write_table(t, lead, n)
    local level = levels + 1
    if level > MAX_DEPTH then fault("is nested deeper than 128") end
    if seen[t] then fault("is part of a cycle") end
    seen[t] = true
    local form, count = form_or_length(t, lead)
    levels = level
    n = form and write_fields(t, lead, n, form) or write_items(t, lead, n, count)
    levels = level - 1
    seen[t] = nil
    return n
  end

  -- Writes behind the `n` pieces there are; answers how many there are then.
  function write(value, lead, n)
    local kind = type(value)
    local text
    if kind == "string" then
      text = find(value, PLAIN) and '"' .. value .. '"' or quote(value)
    elseif kind == "number" then
      text = mathtype(value) == "integer" and value or float(value)
    elseif kind == "boolean" then
      text = value and "true" or "false"
    elseif kind == "nil" then
      text = "null"
    elseif kind == "table" then
      local plain = getmetatable(value) ~= nil and plain_of(value)
      if not plain then return write_table(value, lead, n) end
      if plain ~= null then return write(plain, lead, n) end
      text = "null"
    else
      refuse(value, kind)
    end
    out[n + 1] = lead .. text
    return n + 1
  end

  -- The text of `value`, or nil and what is wrong with it, naming the path inside it ("" for the value itself).
  function K.json_text(value, path)
    if mathtype(value) == "integer" then return format("%d", value) end
    if type(value) == "string" and find(value, PLAIN) then
      if #value > SHORT then K.limits.note(#value // 5) end
      return '"' .. value .. '"'
    end
    local before = out and { out, root, keys, depth, levels, seen, likely } -- within the encoding of another
    out, root, keys, depth, levels, seen, likely = {}, path or "", {}, 0, 0, {}, {}
    local ok, err = raw.pcall(write, value, "", 0)
    local text = ok and concat(out)
    out, keys, seen, likely = nil, nil, nil, nil
    if before then out, root, keys, depth, levels, seen, likely = raw.table.unpack(before) end
    if ok then
      if #text > SHORT then K.limits.note(#text // 5) end -- what quoting and joining take in C
      return text
    end
    if type(err) == "table" and getmetatable(err) == Fault then return nil, err.message end
    raw.error(err, 0)
  end

  K.json_encode = K.json_text
end, "lasts"
