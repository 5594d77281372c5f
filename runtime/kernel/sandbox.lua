-- What a script finds when it starts: an environment built from these lists alone. Whatever is not named here does not
-- exist for it. The string and table libraries are in `text` and `tables`. Every function that could catch a spent budget, show an address, run long in C or let a script at the
-- insides of an API object is ours; the rest is Lua's own.
return function(K)
  local raw = K.raw
  local type, error, select, tostring = raw.type, raw.error, raw.select, K.tostring
  local string, table, math = raw.string, raw.table, raw.math
  local limits, guard, pcall = K.limits, K.limits.guard, raw.pcall
  local getmetatable, setmetatable = raw.getmetatable, raw.setmetatable

  local base = {
    assert = raw.assert, error = raw.error, ipairs = raw.ipairs, select = raw.select,
    tostring = K.tostring, pairs = K.pairs, next = K.next, _VERSION = "Lua 5.4",
  }

  -- Reading and comparing long text is done in C.
  local tonumber, rawequal = raw.tonumber, raw.rawequal
  local LONG, DIGITS = 24, 400 -- bytes of text that is not charged; which a number may need
  function base.tonumber(...)
    local value = ...
    if type(value) == "string" and #value > LONG then limits.charge(#value > DIGITS and DIGITS + #value // 16 or #value // 2) end
    local number = tonumber(...)
    return number
  end
  function base.rawequal(...)
    local value = ...
    if type(value) == "string" and #value > LONG then limits.charge(#value // 128) end
    local is = rawequal(...)
    return is
  end

  -- Tables without a metatable are no objects, which is seen at once.
  function K.no_objects(t, fname)
    if getmetatable(t) == nil and type(t) == "table" then return end
    if type(t) ~= "table" then
      K.misuse("bad argument #1 to '%s' (table expected, got %s)", fname, t == nil and "no value" or K.type(t))
    end
    if K.is_sealed(t) or K.is_library(t) then
      K.misuse("bad argument #1 to '%s' (table expected, got %s)", fname, K.class_name(t) or "library")
    end
  end

  local no_objects = K.no_objects

  function base.type(...)
    local value = ...
    local kind = type(value)
    if value == nil or kind == "table" and getmetatable(value) ~= nil then return K.type(...) end
    return kind
  end

  local rawget, rawset = raw.rawget, raw.rawset
  function base.rawget(t, k)
    if getmetatable(t) ~= nil or type(t) ~= "table" then no_objects(t, "rawget") end
    return rawget(t, k)
  end
  local FORBIDDEN = { __gc = true, __mode = true }
  local function forbid(key)
    K.misuse("a metatable with '%s' depends on garbage collection, which a replay cannot repeat", key)
  end
  function base.rawset(t, k, v)
    if getmetatable(t) ~= nil or type(t) ~= "table" then no_objects(t, "rawset") end
    if FORBIDDEN[k] and v ~= nil then forbid(k) end
    return rawset(t, k, v)
  end
  function base.rawlen(t)
    if type(t) ~= "string" then no_objects(t, "rawlen") end
    return raw.rawlen(t)
  end
  local GUARD = { __newindex = function(meta, key, value)
    if value ~= nil and FORBIDDEN[key] then forbid(key) end
    raw.rawset(meta, key, value)
  end }
  function base.getmetatable(value)
    local meta = getmetatable(value)
    if meta == nil or meta == GUARD then return nil end
    local protected = raw.rawget(meta, "__metatable")
    if protected ~= nil then return protected end
    return meta
  end

  -- Of a table that is a metatable, which is looked at when it becomes one and must stay free of those keys. It is guarded by a
  -- metatable of its own, which the script does not see; where it has one already, by that one's `__newindex`.
  local guarded = raw.setmetatable({}, { __mode = "k" }) -- metatables that have one of the script's
  local function guard_metatable(meta)
    if raw.rawget(meta, "__gc") ~= nil then forbid("__gc") end
    if raw.rawget(meta, "__mode") ~= nil then forbid("__mode") end
    local own = getmetatable(meta)
    if own == GUARD then return end
    if own == nil then
      setmetatable(meta, GUARD)
    elseif not (K.is_sealed(meta) or K.is_library(meta)) then
      guarded[meta] = true
      if raw.rawget(own, "__newindex") == nil then raw.rawset(own, "__newindex", GUARD.__newindex) end
    end
  end
  function base.setmetatable(t, meta)
    -- What most programs do: a new object gets a class that others have already.
    if getmetatable(t) == nil and type(t) == "table" and meta ~= nil and getmetatable(meta) == GUARD and not guarded[t] then
      return setmetatable(t, meta)
    end
    no_objects(t, "setmetatable")
    if meta ~= nil then
      if type(meta) ~= "table" then K.misuse("bad argument #2 to 'setmetatable' (nil or table expected)") end
    end
    local old = getmetatable(t)
    if old and raw.rawget(old, "__metatable") ~= nil then K.misuse("cannot change a protected metatable") end
    if meta ~= nil then guard_metatable(meta) end
    if old == GUARD or guarded[t] then -- a metatable itself: it stays guarded
      setmetatable(t, meta)
      guard_metatable(t)
      return t
    end
    return setmetatable(t, meta)
  end

  function base.pcall(...)
    if (...) == nil and select("#", ...) == 0 then K.misuse("bad argument #1 to 'pcall' (value expected)") end
    return guard(pcall(...))
  end
  -- A message handler runs without hooks while the hook that raised is active: a spent budget must not enter it, and what the
  -- hook itself may have raised is handled when it has been caught.
  local function handled_late(handler, err)
    return false, select(2, guard(raw.pcall(handler, err)))
  end
  function base.xpcall(f, handler, ...)
    K.check(handler, 2, "xpcall", "function")
    local late = false
    local function settle(ok, ...)
      if late then return handled_late(handler, (...)) end
      return ok, ...
    end
    return settle(guard(raw.xpcall(f, function(err)
      if limits.spent or err == "not enough memory" then return err end
      if limits.is_overflow(err) then
        late = true
        return err
      end
      return handler(err)
    end, ...)))
  end

  -- Lua's compiler runs in C, and is quadratic in what a name may stand for and in labels and jumps: the host says how much that can be.
  local SMALL, HEAVIEST = 512, 400000000
  local function weigh(chunk) return #chunk > SMALL and K.host("source.weight", chunk) or 0 end

  -- `default`: the environment of the file that calls it.
  local function load_text(default, chunk, name, mode, ...)
    local env = default
    if select("#", ...) > 0 then env = ... end
    if type(chunk) == "function" then
      local parts = {}
      while true do
        local part = chunk()
        if part == nil or part == "" then break end
        if type(part) ~= "string" then K.misuse("reader function must return a string") end
        parts[#parts + 1] = part
      end
      name = name or "=(load)"
      chunk = table.concat(parts)
    end
    if type(chunk) ~= "string" then K.check(chunk, 1, "load", "string") end
    K.check(name, 2, "load", "string", true)
    limits.charge(#chunk * 4) -- a compiler takes longer over a byte than a loop over an instruction
    local weight = weigh(chunk)
    limits.charge(weight // 8)
    if mode ~= nil and mode ~= "t" and mode ~= "bt" then
      return nil, "attempt to load a binary chunk: only text is accepted"
    end
    if weight > HEAVIEST then return nil, "the chunk would take the compiler too long: divide it" end
    if name == "=?" then name = "=(load)" end -- the kernel's own frames have this source
    return raw.load(chunk, name or ("=(load)"), "t", env)
  end

  -- math -----------------------------------------------------------------------------------------------------------

  local function open_math()
    local maths = {}
    for name, value in raw.next, math do maths[name] = value end
    function maths.random(...)
      K.changes("math.random")
      return math.random(...)
    end
    function maths.randomseed(...)
      if K.boot.class == "workflow" then
        K.misuse("math.randomseed: a workflow's random numbers come from its own seed, so that a replay repeats them")
      end
      return math.randomseed(...)
    end
    return maths
  end

  -- Assembly -------------------------------------------------------------------------------------------------------

  -- The string metatable is shared by every string: scripts reach the wrapped functions through it and nothing else.
  local string_meta = K.string_meta
  for key in raw.next, string_meta do string_meta[key] = nil end
  -- By way of a library that is not opened yet: whether the strings' functions are there already may not count.
  string_meta.__index = K.library("string", function()
    string_meta.__index = K.use("kernel/text").strings
    return string_meta.__index
  end)
  string_meta.__metatable = false

  -- Arithmetic on numeric strings goes through the metatable that was just emptied; keep Lua's own rule for it.
  local function arithmetic(name, apply)
    string_meta[name] = function(a, b)
      local x, y = base.tonumber(a), base.tonumber(b)
      if x == nil or y == nil then
        local culprit = x == nil and a or b
        K.misuse("attempt to perform arithmetic on a %s value", K.type(culprit))
      end
      return apply(x, y)
    end
  end
  arithmetic("__add", function(x, y) return x + y end)
  arithmetic("__sub", function(x, y) return x - y end)
  arithmetic("__mul", function(x, y) return x * y end)
  arithmetic("__div", function(x, y) return x / y end)
  arithmetic("__mod", function(x, y) return x % y end)
  arithmetic("__pow", function(x, y) return x ^ y end)
  arithmetic("__idiv", function(x, y) return x // y end)
  arithmetic("__unm", function(x) return -x end)

  K.globals = {
    string = K.library("string", function() return K.use("kernel/text").strings end),
    table = K.library("table", function() return K.use("kernel/tables") end),
    utf8 = K.library("utf8", function() return K.use("kernel/text").utf8 end),
    math = K.library("math", open_math), coroutine = K.freeze(K.coroutine, "coroutine"),
  }

  -- Written out, so that it is made in one piece.
  local globals = K.globals
  function K.new_env()
    local env = {
      assert = base.assert, error = base.error, ipairs = base.ipairs, select = base.select, tonumber = base.tonumber,
      tostring = base.tostring, pairs = base.pairs, next = base.next, rawequal = base.rawequal, _VERSION = base._VERSION,
      type = base.type, rawget = base.rawget, rawset = base.rawset, rawlen = base.rawlen, pcall = base.pcall,
      xpcall = base.xpcall, getmetatable = base.getmetatable, setmetatable = base.setmetatable,
      string = globals.string, table = globals.table, utf8 = globals.utf8, math = globals.math,
      coroutine = globals.coroutine, _G = false, load = false,
      -- What is added for each file, so that there is room for it.
      process = nil, channel = nil, errors = nil, payload = nil, os = nil, print = nil, require = nil, subscribe = nil, unsubscribe = nil,
    }
    env._G = env
    function env.load(...)
      if select("#", ...) == 0 then K.misuse("bad argument #1 to 'load' (string expected, got no value)") end
      return load_text(env, ...)
    end
    return env
  end

  -- Module files, and those of the kernel that come from here on, get the guarded base library too, so that what they iterate over
  -- has the same order everywhere, but nothing of the script's environment.
  K.env = {
    assert = base.assert, error = base.error, ipairs = base.ipairs, select = base.select, tonumber = base.tonumber,
    tostring = base.tostring, pairs = base.pairs, next = base.next, rawequal = base.rawequal, _VERSION = base._VERSION,
    type = base.type, rawlen = base.rawlen, pcall = base.pcall, xpcall = base.xpcall,
    string = string, table = table, math = math, utf8 = raw.utf8,
    setmetatable = raw.setmetatable, rawget = raw.rawget, rawset = raw.rawset,
  }
end, "lasts"
