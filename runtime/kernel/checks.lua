-- On first use of: where_prefix frames frames_text misuse changes span check ordinal without_kernel_position known_as
-- Saying what is wrong, and where: misuse at the caller's line, argument checks, stacks, stable names for addresses.
return function(K)
  local raw = K.raw
  local getinfo, error, type, setmetatable = raw.getinfo, raw.error, raw.type, raw.setmetatable
  local mathtype, format = raw.math.type, raw.string.format
  local is_script = K.is_script
  local DEEPEST = 1000 -- as in `where`

  function K.where_prefix()
    local at = K.where()
    return at and (at .. ": ") or ""
  end

  -- The script's frames, innermost first: {source, line, name}. `co` for another coroutine's.
  local LEVEL = 20 -- instructions for a level that is looked at, which is done in C
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
    K.limits.note(level * LEVEL)
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

  -- What a command is to an author.
  local NAMES = {
    call = "funcs.call", timer = "time.sleep, time.after or another timer", attrs = "workflow.attrs", handler = "workflow.query",
    status = "workflow.status", update = "workflow.update", stop = "stop", random = "random numbers", log = "print",
    cancel_process = "process.cancel", publish = "workflow.publish", version = "workflow.version",
  }
  for _, name in raw.ipairs({ "send", "spawn", "exec", "terminate", "monitor", "unmonitor", "link", "unlink", "set_options" }) do
    NAMES[name] = "process." .. name
  end
  function K.known_as(op)
    if raw.string.sub(op, 1, 9) == "registry." then return "process." .. op end
    return NAMES[op] or op
  end

  -- Whoever asks changes nothing: a query or a validator is no part of the history, so a replay does not repeat it.
  function K.changes(what)
    if K.readonly then K.misuse("a query handler or validator cannot use '%s'", K.known_as(what)) end
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

  -- Addresses differ from run to run, so a table's text is its number in this run's order of asking.
  local ordinals, count
  K.anew(function() ordinals, count = setmetatable({}, { __mode = "k" }), 0 end)
  function K.ordinal(value)
    local n = ordinals[value]
    if n then return n end
    if K.readonly then return K.ordinal_of_question(value, count) end
    count = count + 1
    ordinals[value] = count
    return count
  end

  -- The text behind the position of kernel code ("?:-1: "), which says nothing to an author; nil when there is none.
  function K.without_kernel_position(message)
    return raw.string.match(message, "^%?:%-1: (.*)$")
  end
end, "lasts"
