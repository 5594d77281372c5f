-- The table library of a script. Lua's own loops in C over as many places as a table says it has: on plain tables that is what
-- is there, and charged; a table whose metatable answers for it is worked through in Lua, where the budget counts.
return function(K)
  local raw = K.raw
  local type, select = raw.type, raw.select
  local table = raw.table
  local charge = K.limits.charge
  local getmetatable, rawget = raw.getmetatable, raw.rawget
  local mathtype, tointeger = raw.math.type, raw.math.tointeger
  local text = K.use("kernel/argument").text
  local MAX_RESULTS, MAX_STRING = 250000, 0x4000000

  local function whole(n, position, fname)
    local value = tointeger(raw.tonumber(n))
    if value == nil then K.check(n, position, fname, "integer") end
    return value
  end

  -- Whether the table answers for itself.
  local function is_lying(t)
    local meta = getmetatable(t)
    return meta ~= nil and (rawget(meta, "__len") or rawget(meta, "__index") or rawget(meta, "__newindex")) ~= nil
  end
  local function length(t)
    local n = #t
    if mathtype(n) ~= "integer" then K.misuse("object length is not an integer") end
    return n
  end
  local function open(t, fname)
    K.no_objects(t, fname)
    return length(t)
  end

  -- Charges for making or closing a gap in a table without a metatable. Whether it is at one of its places, `beyond` those it has.
  local function moves(t, at, beyond)
    local n = #t
    if mathtype(at) ~= "integer" or at < 1 or at > n + beyond then return false end
    if n - at >= 8 then charge((n - at) // 3) end
    return true
  end

  local tables = {}
  function tables.pack(...)
    charge(select("#", ...) // 2)
    return table.pack(...)
  end

  function tables.concat(t, sep, i, j)
    K.no_objects(t, "concat")
    if sep ~= nil then sep = text(sep) end
    i, j = i and whole(i, 3, "concat") or 1, j and whole(j, 4, "concat") or length(t)
    local numbers = 0
    local copy, bytes = is_lying(t) and {} or nil, (type(sep) == "string" and j > i) and #sep * (j - i) or 0
    if bytes > MAX_STRING then K.misuse("resulting string too large") end
    for k = i, j do
      local v = t[k]
      local kind = type(v)
      if kind == "string" then
        bytes = bytes + #v
        if bytes > MAX_STRING then K.misuse("resulting string too large") end
      else
        numbers = numbers + 1
        if not copy and (kind == "table" or v ~= v) then copy = table.move(t, i, k - 1, i, {}) end -- an error's text; NaN in one form
      end
      if copy then copy[k] = v ~= v and "nan" or text(v) end
    end
    charge(bytes // 32 + numbers * 10)
    return table.concat(copy or t, sep, i, j)
  end

  function tables.insert(t, ...)
    local count = select("#", ...)
    if getmetatable(t) == nil and type(t) == "table" then
      if count == 1 then return table.insert(t, ...) end
      if moves(t, (...), 1) and count == 2 then return table.insert(t, ...) end
    end
    local n = open(t, "insert")
    if count ~= 2 then
      if count == 1 and is_lying(t) then
        t[n + 1] = ...
        return
      end
      return table.insert(t, ...)
    end
    local at, value = ...
    at = whole(at, 2, "insert")
    if at < 1 or at > n + 1 then K.misuse("bad argument #2 to 'insert' (position out of bounds)") end
    if is_lying(t) then
      for k = n + 1, at + 1, -1 do t[k] = t[k - 1] end
      t[at] = value
    else
      charge((n - at + 1) // 3)
      table.insert(t, at, value)
    end
  end

  function tables.remove(t, ...)
    if getmetatable(t) == nil and type(t) == "table" then
      if (...) == nil then return table.remove(t) end
      if moves(t, (...), 0) then return table.remove(t, (...)) end
    end
    local n = open(t, "remove")
    local at = select("#", ...) > 0 and whole((...), 2, "remove") or n
    if not is_lying(t) then
      if at >= 1 and at < n then charge((n - at) // 3) end
      return table.remove(t, ...)
    end
    if select("#", ...) > 0 and n + 1 ~= at and (at < 1 or at > n + 1) and not (n == 0 and at == 0) then
      K.misuse("bad argument #2 to 'remove' (position out of bounds)")
    end
    local value = t[at]
    for k = at, n - 1 do t[k] = t[k + 1] end
    if at <= n then t[n] = nil elseif at == n + 1 then t[at] = nil end
    return value
  end

  function tables.unpack(t, i, j)
    if getmetatable(t) ~= nil and type(t) == "table" then K.no_objects(t, "unpack") end
    i, j = i and whole(i, 2, "unpack") or 1, j and whole(j, 3, "unpack") or #t
    if i > j then return end
    if j - i >= MAX_RESULTS or j - i < 0 then K.misuse("too many results to unpack") end
    if j - i >= 4 then charge((j - i) // 4) end
    return table.unpack(t, i, j)
  end

  function tables.move(a, f, e, t, b)
    K.no_objects(a, "move")
    if b == nil then b = a else K.no_objects(b, "move") end
    f, e, t = whole(f, 2, "move"), whole(e, 3, "move"), whole(t, 4, "move")
    if e < f then return b end
    if f <= 0 and e >= raw.math.maxinteger + f then K.misuse("bad argument #3 to 'move' (too many elements to move)") end
    if t > raw.math.maxinteger - (e - f) then K.misuse("bad argument #4 to 'move' (destination wrap around)") end
    if not is_lying(a) and not is_lying(b) then
      charge((e - f) * 3 // 4)
      return table.move(a, f, e, t, b)
    end
    if t > e or t <= f or a ~= b then
      for k = 0, e - f do b[t + k] = a[f + k] end
    else
      for k = e - f, 0, -1 do b[t + k] = a[f + k] end
    end
    return b
  end

  function tables.sort(t, before)
    local n = open(t, "sort")
    K.check(before, 2, "sort", "function", true)
    if n <= 1 then return end
    charge(n)
    if n >= 0x7fffffff then K.misuse("bad argument #1 to 'sort' (array too big)") end
    return K.use("kernel/sort")(t, n, before)
  end
  function tables.create(n, m)
    K.check(n, 1, "create", "integer")
    K.check(m, 2, "create", "integer", true)
    return {}
  end

  return tables
end, "lasts"
