-- The string and utf8 libraries of a script. What runs long in C, where no hook fires, is charged by the bytes it goes over,
-- and a pattern that could take long there is given to a matcher written in Lua (`kernel/pattern`).
return function(K)
  local raw = K.raw
  local type, select, tostring = raw.type, raw.select, K.tostring
  local string, table, utf8 = raw.string, raw.table, raw.utf8
  local limits, charge = K.limits, K.limits.charge
  local mathtype, tointeger = raw.math.type, raw.math.tointeger
  local MAX_STRING = 64 * 1024 * 1024

  -- An error object counts as its text. Argument `n` of `fname` must be text; without `n` whatever else it is goes through.
  local function text(value, n, fname)
    local kind = type(value)
    if kind == "string" or kind == "number" then return value end
    if kind == "table" and K.is_error(value) then return tostring(value) end
    if n then K.check(value, n, fname, "string") end
    return value
  end
  -- A number, or text that is one: what the real function would refuse is refused here, where the script's line is known.
  local function number(value, n, fname)
    if raw.tonumber(value) == nil then K.check(value, n, fname, "number") end
  end

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
      charge((unit + (sep and 4 or 2)) * count // 16) -- a copy is a call, which takes as long as some bytes
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

  -- Patterns -------------------------------------------------------------------------------------------------------------

  local FAST = 50000000 -- steps of the C matcher, about a third of a second
  local shape_of = K.use("kernel/shape")

  -- The Lua matcher when `pattern` could take long on `s` from `init` on; else nil, with the cost charged.
  local function admit(s, pattern, init)
    if type(s) ~= "string" or type(pattern) ~= "string" then return nil end
    init = mathtype(init) == "integer" and init or 1
    local length = K.span(init, -1, #s)
    local work = shape_of(pattern):work(s, init, length, FAST)
    if work > FAST then return K.use("kernel/pattern") end
    if work > 1000000 then charge(1000) end -- also asks the clock
    return nil
  end

  -- What was searched is paid afterwards: a search that ends soon is cheap, however long the text.
  local function searched(s, init, first, ...)
    if type(s) == "string" then
      init = mathtype(init) == "integer" and init or 1
      local last = mathtype(first) == "integer" and first or -1
      charge(K.span(init, last, #s) // 32)
    end
    return first, ...
  end

  local MAX_PLAIN = 1000000000
  function strings.find(s, pattern, init, plain)
    s, pattern = text(s, 1, "find"), text(pattern, 2, "find")
    if plain then
      if type(s) == "string" and type(pattern) == "string" and #s * #pattern > MAX_PLAIN then
        return K.use("kernel/pattern").find_plain(s, pattern, init)
      end
      return searched(s, init, string.find(s, pattern, init, plain))
    end
    local slow = admit(s, pattern, init)
    if slow then return slow.find(s, pattern, init) end
    return searched(s, init, string.find(s, pattern, init, plain))
  end
  function strings.match(s, pattern, init)
    s, pattern = text(s, 1, "match"), text(pattern, 2, "match")
    local slow = admit(s, pattern, init)
    if slow then return slow.match(s, pattern, init) end
    if type(s) == "string" then charge(#s // 256) end
    return string.match(s, pattern, init)
  end
  function strings.gmatch(s, pattern, init)
    s, pattern = text(s, 1, "gmatch"), text(pattern, 2, "gmatch")
    local slow = admit(s, pattern, init)
    if slow then return slow.gmatch(s, pattern, init) end
    if type(s) == "string" then charge(#s // 32) end
    return string.gmatch(s, pattern, init)
  end
  function strings.gsub(s, pattern, replacement, n)
    s, pattern = text(s, 1, "gsub"), text(pattern, 2, "gsub")
    replacement = text(replacement)
    local slow = admit(s, pattern)
    if slow then return slow.gsub(s, pattern, replacement, n) end
    local result, count = string.gsub(s, pattern, replacement, n)
    charge((#result + (type(s) == "string" and #s or 0)) // 32)
    return result, count
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

  return { text = text, strings = strings, utf8 = utf8s }
end
