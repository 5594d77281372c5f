-- On first use of: json_value json_decode
-- JSON text to Lua values: integers and floats keep their subtype, a null inside an array is `json.null`, an empty object is marked.
return function(K)
  local raw = K.raw
  local tonumber, next, error, pcall = raw.tonumber, raw.next, raw.error, raw.pcall
  local string, utf8 = raw.string, raw.utf8
  local byte, find, sub, match, concat = string.byte, string.find, string.sub, string.match, raw.table.concat
  local marks, null = K.json_marks, K.null
  local MAX_DEPTH = 128
  local SHORT = 256 -- bytes that are not charged

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

  -- A key, a text, a number as it usually is, a whole field, and what must follow it, each taken in one call; what does not fit
  -- is looked at again by the slower functions, which know every form and say what is wrong. No pattern has two repetitions side
  -- by side that take the same characters: what does not fit is to cost no more than its length.
  local WHITE = "[ \n\r\t]*"
  local PLAIN, DIGITS = '"([]-\255 !#-[]*)"', "(-?[1-9][%d.]*)%f[^%d]"
  local KEY = "^" .. PLAIN .. WHITE .. ":" .. WHITE
  local IN_ARRAY, IN_OBJECT = WHITE .. "([,%]])" .. WHITE .. "()", WHITE .. "([,}])" .. WHITE .. "()"
  local TEXT_ITEM, NUMBER_ITEM = "^" .. PLAIN .. IN_ARRAY, "^" .. DIGITS .. IN_ARRAY
  local TEXT, NUMBER = "^" .. PLAIN .. IN_OBJECT, "^" .. DIGITS .. IN_OBJECT
  local TEXT_FIELD, NUMBER_FIELD = KEY .. PLAIN .. IN_OBJECT, KEY .. DIGITS .. IN_OBJECT
  local TEXT_ALONE, NUMBER_ALONE = "^" .. PLAIN .. WHITE .. "()", "^" .. DIGITS .. WHITE .. "()[,%]}]"
  KEY = KEY .. "()"

  local function array(s, i, depth)
    local items, n = {}, 0
    i = match(s, "^[ \n\r\t]*()", i + 1)
    local c = byte(s, i)
    if c == 93 then return items, match(s, "^[ \n\r\t]*()", i + 1) end
    while true do
      local value, stop, at
      if c == 34 then
        value, stop, at = match(s, TEXT_ITEM, i)
      elseif c and c <= 57 then
        value, stop, at = match(s, NUMBER_ITEM, i)
        value = value and tonumber(value)
      end
      if value == nil then
        value, at = read(s, i, depth)
        if value == nil then value = null end
        i = at
        stop, at = match(s, "^([,%]])[ \n\r\t]*()", i)
        if not stop then bad(i, "expected ',' or ']'") end
      end
      n = n + 1
      items[n] = value
      if stop == "]" then return items, at end
      i = at
      c = byte(s, i)
    end
  end

  -- What the field behind a key was the last time (1: behind no key): objects of one text are often alike.
  local likely
  K.anew(function() likely = nil end)

  local function field(s, i, depth, fields, previous)
    local key, at = match(s, KEY, i)
    if not key then
      if byte(s, i) ~= 34 then bad(i, "expected a string key") end
      key, at = read_string(s, i)
      if byte(s, at) ~= 58 then bad(at, "expected ':'") end
      at = match(s, "^[ \n\r\t]*()", at + 1)
    end
    local c, value, stop, after = byte(s, at), nil, nil, nil
    if c == 34 then
      likely[previous] = TEXT_FIELD
      value, stop, after = match(s, TEXT, at)
    elseif c and c <= 57 then
      likely[previous] = NUMBER_FIELD
      value, stop, after = match(s, NUMBER, at)
      value = value and tonumber(value)
    else
      likely[previous] = nil
    end
    if value == nil then
      value, at = read(s, at, depth)
      stop, after = match(s, "^([,}])[ \n\r\t]*()", at)
      if not stop then bad(at, "expected ',' or '}'") end
    end
    fields[key] = value
    return key, stop, after
  end

  local function object(s, i, depth)
    local fields, key = {}, 1
    i = match(s, "^[ \n\r\t]*()", i + 1)
    if byte(s, i) == 125 then
      marks[fields] = "object"
      return fields, match(s, "^[ \n\r\t]*()", i + 1)
    end
    while true do
      local form = likely[key]
      local name, value, stop, after
      if form then
        name, value, stop, after = match(s, form, i)
        if form == NUMBER_FIELD and name then value = tonumber(value) end
      end
      if value ~= nil then
        fields[name] = value
        key = name
      else
        key, stop, after = field(s, i, depth, fields, key)
      end
      if stop == "}" then
        if next(fields) == nil then marks[fields] = "object" end
        return fields, after
      end
      i = after
    end
  end

  -- The value at `i`, which is no white space, and where what follows it begins.
  function read(s, i, depth)
    local c = byte(s, i)
    if c == 34 then
      local text, at = match(s, TEXT_ALONE, i)
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
    local digits, at = match(s, NUMBER_ALONE, i)
    local number = digits and tonumber(digits)
    if number then return number, at end
    return read_number(s, i)
  end

  local function read_all(s)
    if not utf8.len(s) then bad(1, "text is not valid UTF-8") end
    likely = {}
    local value, i = read(s, match(s, "^[ \n\r\t]*()"), 0)
    if i <= #s then bad(i, "unexpected text after the value") end
    return value
  end

  function K.json_value(text)
    -- What many events bring, and what no reader could make anything else of.
    if text == "null" then return nil end
    if #text < 20 and find(text, "^-?[1-9]%d*$") then return tonumber(text) end
    if #text > SHORT then K.limits.note(#text // 5) end -- what looking for the ends of its strings takes in C
    local ok, value = pcall(read_all, text)
    likely = nil
    if ok then return value end
    if raw.type(value) == "table" and raw.getmetatable(value) == Fault then return nil, value.message end
    error(value, 0)
  end

  K.json_decode = K.json_value
end, "lasts"
