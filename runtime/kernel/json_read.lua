-- On first use of: json_value json_decode
-- JSON text to Lua values: integers and floats keep their subtype, a null inside an array is `json.null`, an empty object is marked.
return function(K)
  local raw = K.raw
  local tonumber, next, error, pcall = raw.tonumber, raw.next, raw.error, raw.pcall
  local string, utf8 = raw.string, raw.utf8
  local byte, find, sub, match, concat = string.byte, string.find, string.sub, string.match, raw.table.concat
  local marks, null = K.json_marks, K.null
  local MAX_DEPTH = 128

  local Fault = {}
  local function bad(position, text)
    error(raw.setmetatable({ message = text .. " at byte " .. position }, Fault), 0)
  end

  local UNESCAPE = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
  local function unescape(s, start)
    local function unicode(high, low)
      local code = tonumber(high, 16)
      if low and code >= 0xD800 and code < 0xDC00 then
        local second = tonumber(low, 16)
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
        local high = match(s, "^%x%x%x%x", j + 2)
        if not high then bad(start + j, "invalid \\u escape") end
        local low = find(high, "^[dD][89abAB]") and match(s, "^\\u(%x%x%x%x)", j + 6)
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

  -- The text that begins at `i`, and where what follows it begins, behind white space.
  local function read_string(s, i)
    local j, escaped = i + 1, false
    while true do
      local k = find(s, '["\\\0-\31]', j)
      if not k then bad(i, "unterminated string") end
      local c = byte(s, k)
      if c == 34 then
        local text = sub(s, i + 1, k - 1)
        if escaped then text = unescape(text, i) end
        return text, match(s, "^[ \n\r\t]*()", k + 1)
      elseif c == 92 then
        escaped = true
        j = k + 2
      else
        bad(k, "control character in string")
      end
    end
  end

  local function read_number(s, i)
    local j = match(s, "^-?%d+()", i)
    if not j then bad(i, "invalid value") end
    if find(s, "^-?0%d", i) then bad(i, "number with a leading zero") end
    j = match(s, "^%.%d+()", j) or j
    j = match(s, "^[eE][+-]?%d+()", j) or j
    if find(s, "^[%w.]", j) then bad(i, "invalid number") end
    return tonumber(sub(s, i, j - 1)), match(s, "^[ \n\r\t]*()", j)
  end

  local read

  local function array(s, i, depth)
    local items, n = {}, 0
    i = match(s, "^[ \n\r\t]*()", i + 1)
    if byte(s, i) == 93 then return items, match(s, "^[ \n\r\t]*()", i + 1) end
    while true do
      local value, at = read(s, i, depth)
      n = n + 1
      if value == nil then value = null end
      items[n] = value
      local c = byte(s, at)
      i = match(s, "^[ \n\r\t]*()", at + 1)
      if c == 93 then return items, i end
      if c ~= 44 then bad(at, "expected ',' or ']'") end
    end
  end

  -- A key, a text or a number as it usually is, and what must follow it, each taken in one call; what does not fit is looked
  -- at again by the slower functions, which know every form and say what is wrong.
  local KEY = '^"([^"\\\0-\31]*)"[ \n\r\t]*:[ \n\r\t]*()'
  local TEXT = '^"([^"\\\0-\31]*)"[ \n\r\t]*([,}])[ \n\r\t]*()'
  local DIGITS = "^(-?[1-9]%d*)[ \n\r\t]*([,}])[ \n\r\t]*()"

  local function object(s, i, depth)
    local fields = {}
    i = match(s, "^[ \n\r\t]*()", i + 1)
    if byte(s, i) == 125 then
      marks[fields] = "object"
      return fields, match(s, "^[ \n\r\t]*()", i + 1)
    end
    while true do
      local key, at = match(s, KEY, i)
      if not key then
        if byte(s, i) ~= 34 then bad(i, "expected a string key") end
        key, at = read_string(s, i)
        if byte(s, at) ~= 58 then bad(at, "expected ':'") end
        at = match(s, "^[ \n\r\t]*()", at + 1)
      end
      local c, value, stop = byte(s, at), nil, nil
      if c == 34 then
        value, stop, i = match(s, TEXT, at)
      elseif c and c <= 57 then
        value, stop, i = match(s, DIGITS, at)
        if value then value = tonumber(value) end
      end
      if stop then fields[key] = value
      else
        fields[key], at = read(s, at, depth)
        stop, i = match(s, "^([,}])[ \n\r\t]*()", at)
      end
      if stop ~= "," then
        if stop ~= "}" then bad(at, "expected ',' or '}'") end
        if next(fields) == nil then marks[fields] = "object" end
        return fields, i
      end
    end
  end

  -- The value at `i`, which is no white space, and where what follows it begins.
  function read(s, i, depth)
    local c = byte(s, i)
    if c == 34 then
      local text, at = match(s, '^"([^"\\\0-\31]*)"[ \n\r\t]*()', i)
      if text then return text, at end
      return read_string(s, i)
    elseif c == 123 or c == 91 then
      if depth >= MAX_DEPTH then bad(i, "nested deeper than 128") end
      return (c == 123 and object or array)(s, i, depth + 1)
    elseif c == nil then
      bad(i, "unexpected end")
    elseif c == 116 and sub(s, i, i + 3) == "true" then
      return true, match(s, "^[ \n\r\t]*()", i + 4)
    elseif c == 102 and sub(s, i, i + 4) == "false" then
      return false, match(s, "^[ \n\r\t]*()", i + 5)
    elseif c == 110 and sub(s, i, i + 3) == "null" then
      return nil, match(s, "^[ \n\r\t]*()", i + 4)
    end
    -- The usual numbers, and what cannot follow one.
    local digits, at = match(s, "^(-?[1-9]%d*%.?%d*)[ \n\r\t]*()[,%]}]", i)
    if digits and byte(digits, -1) ~= 46 then return tonumber(digits), at end
    return read_number(s, i)
  end

  local function read_all(s)
    if not utf8.len(s) then bad(1, "text is not valid UTF-8") end
    local value, i = read(s, match(s, "^[ \n\r\t]*()"), 0)
    if i <= #s then bad(i, "unexpected text after the value") end
    return value
  end

  function K.json_value(text)
    local ok, value = pcall(read_all, text)
    if ok then return value end
    if raw.type(value) == "table" and raw.getmetatable(value) == Fault then return nil, value.message end
    error(value, 0)
  end

  K.json_decode = K.json_value
end
