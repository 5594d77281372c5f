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

  local strings = { len = function(s) return string.len(text(s, 1, "len")) end, packsize = string.packsize }

  for _, name in raw.ipairs({ "lower", "upper", "reverse" }) do
    local real = string[name]
    strings[name] = function(s)
      local result = real(text(s, 1, name))
      charge(#result // 16)
      return result
    end
  end
  function strings.sub(s, ...)
    if type(s) ~= "string" then s = text(s, 1, "sub") end
    if type((...)) ~= "number" then number((...), 2, "sub") end
    local result = string.sub(s, ...)
    if #result > 256 then charge(#result // 32) end
    return result
  end
  function strings.byte(s, i, j)
    if type(s) ~= "string" then s = text(s, 1, "byte") end
    if j ~= nil and type(s) == "string" then charge(K.span(i, j, #s) // 4) end
    return string.byte(s, i, j)
  end
  function strings.char(...)
    charge(select("#", ...) // 4)
    return string.char(...)
  end
  function strings.pack(...)
    local result = string.pack(...)
    charge(#result // 8 + #(...) // 8)
    return result
  end
  local function charged_strings(...)
    local bytes = 0
    for i = 1, select("#", ...) do
      local v = select(i, ...)
      if type(v) == "string" then bytes = bytes + #v end
    end
    charge(bytes // 32)
    return ...
  end
  function strings.unpack(format, ...)
    if type(format) == "string" then charge(#format // 4) end
    return charged_strings(string.unpack(format, ...))
  end

  -- Counts may be floats or text, as everywhere in Lua; what is no count is left to the real function.
  local function count_of(n) return tointeger(raw.tonumber(n)) end

  function strings.rep(s, n, sep)
    s, sep = text(s, 1, "rep"), text(sep)
    number(n, 2, "rep")
    local count = (type(n) == "number" or type(n) == "string") and count_of(n)
    if count and count > 0 and (type(s) == "string" or type(s) == "number") then
      local unit = #raw.tostring(s) + ((type(sep) == "string" or type(sep) == "number") and #raw.tostring(sep) or 0)
      if unit == 0 then return "" end
      if count > MAX_STRING / unit then K.misuse("resulting string too large") end
      charge(unit * count // 16)
    end
    return string.rep(s, n, sep)
  end

  -- NaN keeps its sign in text on some machines, so it is written as one NaN everywhere.
  local NAN = string.unpack("<d", "\0\0\0\0\0\0\xf8\x7f")
  local function formatted(ok, result)
    if not ok then
      if result == "not enough memory" then raw.error(result, 0) end
      K.misuse((string.gsub(result, "'string%.format'", "'format'")))
    end
    if #result > 256 then charge(#result // 32) end
    return result
  end
  function strings.format(fmt, ...)
    fmt = text(fmt, 1, "format")
    local n = select("#", ...)
    if n > 32 then charge(n) end
    local plain = type(fmt) ~= "string" or not string.find(fmt, "%p", 1, true)
    local args = n > 32 and table.pack(...) or nil
    for i = 1, n do
      local v
      if args then v = args[i] else v = select(i, ...) end
      local kind = type(v)
      if kind == "table" or kind == "function" or kind == "thread" or v ~= v then
        args = args or table.pack(...)
        plain = false
        if v ~= v then args[i] = NAN end
      end
    end
    if plain then return formatted(raw.pcall(string.format, fmt, ...)) end
    args = args or table.pack(...)
    local i = 0
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
    return formatted(raw.pcall(string.format, fmt, table.unpack(args, 1, n)))
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
    if mathtype(n) == "integer" and type(s) == "string" then charge(raw.math.min(#s, n < 0 and -(n + 1) or n) // 8) end
    return utf8.offset(s, n, ...)
  end

  for name, fn in raw.next, K.use("kernel/matching") do strings[name] = fn end
  return { strings = strings, utf8 = utf8s }
end
