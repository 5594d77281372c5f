-- What every other file leans on: where the script is, misuse at the caller's line, argument checks, sealed classes,
-- stable names for addresses, and pure host functions.
return function(K)
  local raw = K.raw
  local getinfo, error, type, getmetatable, rawget = raw.getinfo, raw.error, raw.type, raw.getmetatable, raw.rawget
  local setmetatable, format, tostring = raw.setmetatable, raw.string.format, raw.tostring
  local mathtype = raw.math.type

  local function is_script(info)
    return info.what ~= "C" and info.source ~= "=?"
  end

  -- Reaching a level walks the stack, so on one that recursion has filled with the kernel's own frames the search is given up.
  local DEEPEST = 1000

  -- The script's innermost "file:line" as seen from here, or nil when no script is on the stack.
  function K.where()
    local level = 2
    while true do
      local info = getinfo(level, "S")
      if not info or level > DEEPEST then return K.current and K.current.at end
      if is_script(info) then
        return info.short_src .. ":" .. getinfo(level, "l").currentline
      end
      level = level + 1
    end
  end

  function K.where_prefix()
    local at = K.where()
    return at and (at .. ": ") or ""
  end

  -- The script's frames, innermost first: {source, line, name}. `co` for another coroutine's.
  function K.frames(co, limit)
    local frames, level = {}, co and 0 or 2
    limit = limit or 32
    while #frames < limit and level < DEEPEST do
      local info
      if co then info = getinfo(co, level, "Sln") else info = getinfo(level, "Sln") end
      if not info then break end
      if is_script(info) then
        local name = info.name or (info.what == "main" and "main chunk")
          or ("function <" .. info.short_src .. ":" .. info.linedefined .. ">")
        frames[#frames + 1] = { source = info.short_src, line = info.currentline, name = name }
      end
      level = level + 1
    end
    return frames
  end

  function K.frames_text(frames)
    local lines = {}
    for i = 1, #frames do
      local f = frames[i]
      lines[i] = f.source .. ":" .. f.line .. ": in " .. f.name
    end
    return raw.table.concat(lines, "\n")
  end

  -- A wrong use of the API: raised at the script's line.
  function K.misuse(text, ...)
    if raw.select("#", ...) > 0 then text = format(text, ...) end
    error(K.where_prefix() .. text, 0)
  end

  -- Whoever asks changes nothing: a query or a validator is no part of the history, so a replay does not repeat it.
  function K.changes(what)
    if K.readonly then K.misuse("a query handler or validator cannot use '%s'", what) end
  end

  local sealed = {} -- metatable of a class -> class

  function K.is_sealed(value)
    local meta = getmetatable(value)
    return meta ~= nil and sealed[meta] ~= nil
  end

  function K.class_name(value)
    local meta = getmetatable(value)
    local class = meta and sealed[meta]
    return class and class.name
  end

  function K.class_of(value)
    local meta = getmetatable(value)
    return meta and sealed[meta]
  end

  function K.type(...)
    if raw.select("#", ...) == 0 then K.misuse("bad argument #1 to 'type' (value expected)") end
    local value = ...
    local kind = type(value)
    if kind == "table" and K.is_sealed(value) then return "userdata" end
    return kind
  end

  -- How many places lie from `i` to `j` in a text of `length` bytes, places as Lua's string functions count them.
  function K.span(i, j, length)
    if mathtype(i) ~= "integer" then i = 1 end
    if mathtype(j) ~= "integer" then j = length end
    if i < 0 then i = length + i + 1 end
    if j < 0 then j = length + j + 1 end
    if i < 1 then i = 1 end
    if j > length then j = length end
    return j >= i and j - i + 1 or 0
  end

  function K.check(value, n, fname, expected, optional)
    if value == nil and optional or expected == "any" and value ~= nil then return end
    local kind = K.type(value)
    if expected == "integer" then
      if mathtype(value) == "integer" or (kind == "number" and raw.math.tointeger(value)) then return end
      if kind == "number" then
        K.misuse("bad argument #%d to '%s' (number has no integer representation)", n, fname)
      end
    elseif kind == expected then
      return
    end
    if expected == "any" then K.misuse("bad argument #%d to '%s' (value expected)", n, fname) end
    K.misuse("bad argument #%d to '%s' (%s expected, got %s)", n, fname, expected, value == nil and "no value" or
      (K.class_name(value) or kind))
  end

  -- A class of API objects: sealed tables whose state hangs on a key that no script can name.
  local STATE = {}
  function K.class(name, methods, metamethods, to_wire)
    local meta = { __metatable = false, __name = name }
    for key, value in raw.next, metamethods or {} do meta[key] = value end
    local class = { name = name, to_wire = to_wire }
    meta.__index = function(_, key) return methods[key] end
    meta.__newindex = function(_, key) K.misuse("a %s cannot be changed (field '%s')", name, K.tostring(key)) end
    meta.__pairs = function() K.misuse("a %s cannot be iterated", name) end
    meta.__len = meta.__len or function() K.misuse("a %s has no length", name) end
    sealed[meta] = class
    function class.new(state) return setmetatable({ [STATE] = state }, meta) end
    function class.state(object)
      if type(object) == "table" and getmetatable(object) == meta then return rawget(object, STATE) end
      return nil
    end
    function class.self(object, method)
      local state = class.state(object)
      if not state then
        K.misuse("bad self of '%s' (%s expected, got %s; call it with ':')", method, name, K.class_name(object) or type(object))
      end
      return state
    end
    return class
  end

  -- A read-only view of a library table, which `load` makes when it is first looked into. The view itself is empty, so even
  -- rawset would reach nothing but the view.
  local library = {}
  function K.library(name, load)
    local meta = { __metatable = false }
    meta.__index = function(_, key)
      meta.__index = load()
      return meta.__index[key]
    end
    meta.__newindex = function(_, key) K.misuse("library '%s' is read-only (field '%s')", name, K.tostring(key)) end
    local view = setmetatable({}, meta)
    -- The iterator alone walks the exports: what `pairs` hands out is the view.
    meta.__pairs = function() return (K.pairs(load())), view, nil end
    library[view] = true
    return view
  end
  function K.freeze(exports, name) return K.library(name or "?", function() return exports end) end
  function K.is_library(value) return library[value] == true end

  -- Addresses differ from run to run, so a table's text is its number in this run's order of asking.
  local ordinals, count = setmetatable({}, { __mode = "k" }), 0
  function K.ordinal(value)
    local n = ordinals[value]
    if not n then
      count = count + 1
      n = count
      ordinals[value] = n
    end
    return n
  end

  function K.tostring(...)
    if raw.select("#", ...) == 0 then K.misuse("bad argument #1 to 'tostring' (value expected)") end
    local value = ...
    local kind = type(value)
    if kind == "string" then return value end
    if kind == "number" then
      if value ~= value then return "nan" end
      return tostring(value)
    end
    if kind == "table" or kind == "function" or kind == "thread" or kind == "userdata" then
      local meta = getmetatable(value)
      local custom = meta and rawget(meta, "__tostring")
      if custom then
        local text = custom(value)
        if type(text) ~= "string" then
          if type(text) == "number" then return tostring(text) end
          K.misuse("'__tostring' must return a string")
        end
        return text
      end
      local name = meta and rawget(meta, "__name")
      if type(name) ~= "string" then name = kind end
      return name .. ": " .. K.ordinal(value)
    end
    return tostring(value)
  end

  -- A pure host function: its values, or nil and an error object.
  local function unpack_host(ok, ...)
    if ok then return ... end
    local kind, message = ...
    return nil, K.error({ kind = kind, message = message, retryable = false })
  end
  local host = K.host_function
  -- Host functions run out of the budget's sight: a call is charged by the bytes it is given, and some by more.
  local PER_BYTE = {
    ["yaml.decode"] = 8, ["yaml.encode"] = 8, ["json.validate"] = 8, ["hash.fnv32"] = 2, ["hash.fnv64"] = 2,
    ["os.date"] = 4, ["options.activity"] = 4, ["options.workflow"] = 4,
  }
  local function charge(name, ...)
    local bytes = 0
    for i = 1, raw.select("#", ...) do
      local value = raw.select(i, ...)
      if type(value) == "string" then bytes = bytes + #value end
    end
    local weight = PER_BYTE[name]
    K.limits.charge(100 + (weight and bytes * weight or bytes // 16))
  end
  function K.host(name, ...)
    charge(name, ...)
    return unpack_host(host(name, ...))
  end
end
