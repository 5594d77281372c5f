-- What every other file leans on: where the script is, what is an API object, libraries, the text of a value.
return function(K)
  local raw = K.raw
  local getinfo, type, getmetatable, rawget = raw.getinfo, raw.type, raw.getmetatable, raw.rawget
  local setmetatable, tostring = raw.setmetatable, raw.tostring

  local function is_script(info)
    return info.what ~= "C" and info.source ~= "=?"
  end
  K.is_script = is_script

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

  -- These hold on to nothing: some classes and libraries last, the others are a program's.
  local WEAK = { __mode = "k" }
  local sealed = setmetatable({}, WEAK) -- metatable of a class -> class
  K.sealed = sealed

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

  -- Read-only views of library tables. The view itself is empty, so even rawset would reach nothing but the view. The exports
  -- of one that is given by a function, or as the name of a module's file, are made when it is first looked into.
  local libraries = setmetatable({}, WEAK) -- view -> its name
  local loads = setmetatable({}, WEAK) -- view -> how to get its exports
  local unopened = K.unopened

  local function denied(view, key) K.misuse("library '%s' is read-only (field '%s')", libraries[view], K.tostring(key)) end
  -- The iterator alone walks the exports: what `pairs` hands out is the view.
  local function walk(view)
    local _ = view[0]
    local exports = getmetatable(view).__index
    local step = K.pairs(exports)
    return function(_, key) return step(exports, key) end, view, nil
  end
  unopened.__metatable, unopened.__newindex, unopened.__pairs = false, denied, walk

  function K.library(name, load)
    local view = setmetatable({}, unopened)
    libraries[view], loads[view] = name, load
    return view
  end
  function K.freeze(exports, name)
    local view = setmetatable({}, { __metatable = false, __index = exports, __newindex = denied, __pairs = walk })
    libraries[view] = name or "?"
    return view
  end
  function K.open_library(view)
    local load = loads[view]
    local exports = type(load) == "string" and K.use(load) or load()
    setmetatable(view, { __metatable = false, __index = exports, __newindex = denied, __pairs = walk })
    return exports
  end
  function K.is_library(value) return libraries[value] ~= nil end

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
end, "lasts"
