-- The string and utf8 libraries of a script. What runs long in C, where no hook fires, is charged by the bytes it goes over;
-- what takes patterns is in `kernel/matching`.
return function(K)
  local raw = K.raw
  local type, select, tostring = raw.type, raw.select, K.tostring
  local string, table, utf8 = raw.string, raw.table, raw.utf8
  local limits, charge = K.limits, K.limits.charge
  local mathtype, tointeger = raw.math.type, raw.math.tointeger
  local MAX_STRING = 64 * 1024 * 1024

  local argument = K.use("kernel/argument")
  local text, number = argument.text, argument.number

  -- Called as a field where an argument may be refused: the name in the message is that of the field.
  local len, byte, rep = string.len, string.byte, string.rep
  local SHORT = 128 -- bytes that are not charged: what the call of a function takes is charged already
  local WIDE = 64 -- bytes of a formatted text that are not charged either

  -- NaN keeps its sign on some machines, so it is written as one NaN everywhere.
  local NAN = string.unpack("<d", "\0\0\0\0\0\0\xf8\x7f")

  local strings = {}
  function strings.packsize(format)
    if type(format) == "string" and #format > SHORT then charge(#format // 4) end
    return string.packsize(format)
  end

  function strings.len(s)
    if type(s) ~= "string" then s = text(s, 1, "len") end
    return len(s)
  end
  for _, name in raw.ipairs({ "lower", "upper", "reverse" }) do
    local real = string[name]
    strings[name] = function(s)
      if type(s) ~= "string" then s = text(s, 1, name) end
      if #s > SHORT then charge(#s // 16) end
      return real(s)
    end
  end
  function strings.sub(s, i, j)
    if type(s) ~= "string" then s = text(s, 1, "sub") end
    if mathtype(i) ~= "integer" then number(i, 2, "sub") end
    local result = string.sub(s, i, j)
    if #result > SHORT then charge(#result // 64) end
    return result
  end
  function strings.byte(s, i, j)
    if type(s) ~= "string" then s = text(s, 1, "byte") end
    if j == nil then return byte(s, i) end
    charge(K.span(i, j, #s) // 4)
    return byte(s, i, j)
  end
  function strings.char(...)
    charge(select("#", ...) // 4)
    return string.char(...)
  end
  local function one_nan(...)
    local values = table.pack(...)
    for i = 1, values.n do
      if values[i] ~= values[i] then values[i] = NAN end
    end
    return table.unpack(values, 1, values.n)
  end
  local function has_nan(...)
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      if value ~= value then return true end
    end
    return false
  end
  function strings.pack(...)
    local result
    if has_nan(...) then result = string.pack(one_nan(...)) else result = string.pack(...) end
    charge(#result // 32 + #(...) // 4)
    return result
  end
  local function charged_strings(...)
    local bytes = 0
    for i = 1, select("#", ...) do
      local v = select(i, ...)
      if type(v) == "string" then bytes = bytes + #v end
    end
    charge(bytes // 64)
    return ...
  end
  function strings.unpack(format, ...)
    if type(format) == "string" then charge(#format // 4) end
    return charged_strings(string.unpack(format, ...))
  end

  -- Counts may be floats or text, as everywhere in Lua; what is no count is left to the real function.
  local function count_of(n) return tointeger(raw.tonumber(n)) end

  function strings.rep(s, n, sep)
    if type(s) ~= "string" then s = text(s, 1, "rep") end
    if mathtype(n) ~= "integer" then number(n, 2, "rep") end
    if sep ~= nil then sep = text(sep) end
    local count = mathtype(n) == "integer" and n or count_of(n)
    if count and count > 0 then
      local unit = #s + (type(sep) == "string" and #sep or 0)
      if unit == 0 then return "" end
      if count > MAX_STRING / unit then K.misuse("resulting string too large") end
      charge((unit + (sep and 4 or 2)) * count // 16) -- a copy is a call, which takes as long as some bytes
    end
    return rep(s, n, sep)
  end

  local function formatted(texts, ok, result)
    if not ok then
      if result == "not enough memory" then raw.error(result, 0) end
      K.misuse((string.gsub(result, "'string%.format'", "'format'")))
    end
    -- What is no text of the arguments is written digit by digit.
    if #result > WIDE then charge(#result // 64 + (#result > texts + WIDE and (#result - texts) * 3 // 2 or 0)) end
    return result
  end
  local OBJECT = { table = true, ["function"] = true, thread = true }
  function strings.format(fmt, ...)
    if type(fmt) ~= "string" then fmt = text(fmt, 1, "format") end
    local n = select("#", ...)
    if n > 32 then charge(n) end
    if #fmt > SHORT then charge(#fmt) end
    local plain, texts = not string.find(fmt, "%%[^%a%%]*p"), #fmt
    for i = 1, n > 32 and 0 or n do
      local v = select(i, ...)
      local kind = type(v)
      if kind == "string" then
        texts = texts + #v
      elseif OBJECT[kind] or v ~= v then
        plain = false
      end
    end
    if texts > SHORT and string.find(fmt, "q", 1, true) then charge(texts // 2) end
    if plain and n <= 32 then return formatted(texts, raw.pcall(string.format, fmt, ...)) end
    local args, i = table.pack(...), 0
    for k = 1, n do
      if args[k] ~= args[k] then args[k] = NAN end
    end
    fmt = string.gsub(fmt, "%%([-+ #0]*%d*%.?%d*)([%a%%])", function(flags, verb)
      if verb == "%" then return nil end
      i = i + 1
      local v = args[i]
      local kind = type(v)
      local object = kind == "table" or kind == "function" or kind == "thread"
      if verb == "p" then
        args[i] = object and tostring(v) or "(null)"
        return "%" .. flags .. "s"
      elseif verb == "s" and object then
        args[i] = tostring(v)
      end
      return nil
    end)
    charge(16)
    return formatted(texts, raw.pcall(string.format, fmt, table.unpack(args, 1, n)))
  end

  -- utf8 -----------------------------------------------------------------------------------------------------------------

  local utf8s = { charpattern = utf8.charpattern, codes = utf8.codes }
  function utf8s.char(...)
    charge(select("#", ...) // 2)
    return utf8.char(...)
  end
  function utf8s.len(s, i, j, lax)
    if type(s) == "string" then charge(K.span(i or 1, j or -1, #s) // 16) end
    return utf8.len(s, i, j, lax)
  end
  function utf8s.codepoint(s, i, j, lax)
    if type(s) == "string" and j ~= nil then charge(K.span(i or 1, j, #s) // 4) end
    return utf8.codepoint(s, i, j, lax)
  end
  function utf8s.offset(s, n, ...)
    local at, from = utf8.offset(s, n, ...), ...
    if type(s) == "string" and #s > SHORT then
      from = raw.math.tointeger(raw.tonumber(from)) or (raw.tonumber(n) > 0 and 1 or #s + 1)
      if from < 0 then from = #s + from + 1 end
      charge((at and raw.math.abs(at - from) or #s) // 32) -- it goes over every byte in between
    end
    return at
  end

  for name, fn in raw.next, K.use("kernel/matching") do strings[name] = fn end
  return { strings = strings, utf8 = utf8s }
end, "lasts"
