-- On first use of: text_of error is_error refusal invalid canceled error_to_wire error_from_wire error_from_raise error_from_return arrived mended errors
-- Error objects: kind, message, retryable, details, the stack where they were made, and what they wrap.
return function(K)
  local raw = K.raw
  local type = raw.type

  local kinds = K.kinds

  local class

  -- Details are the error's own: what the script does to its table, or to what it is shown, changes no error.
  local function copied(value, seen)
    if type(value) ~= "table" or K.is_sealed(value) or K.is_library(value) then return value end
    seen = seen or {}
    local copy = seen[value]
    if not copy then
      copy = {}
      seen[value] = copy
      for k, v in raw.next, value do copy[k] = copied(v, seen) end
      K.json_marks[copy] = K.json_marks[value]
    end
    return copy
  end

  -- What wrapping put before the message, outermost first. One that came from elsewhere brings it whole; one that is made here has only
  -- its own word, and the rest is its cause's, so that many wraps take no more than they say.
  local MAX_CONTEXT = 16384
  local function context_of(state)
    if not state.word then return state.context end
    local words, size = {}, 0
    while state and state.word and size < MAX_CONTEXT do
      words[#words + 1] = state.word
      size = size + #state.word
      state = class.state(state.cause)
    end
    if state and size < MAX_CONTEXT then words[#words + 1] = state.context end
    return raw.table.concat(words, ": ")
  end

  local function text(state)
    local message, context = state.message, context_of(state)
    if context then message = context .. ": " .. message end
    if message == "" then message = state.kind ~= "" and state.kind or "unknown error" end
    return message
  end

  local methods = {}
  function methods:kind() return class.self(self, "kind").kind end
  function methods:message() return class.self(self, "message").message end
  function methods:retryable() return class.self(self, "retryable").retryable end
  function methods:details() return copied(class.self(self, "details").details) end
  function methods:stack()
    local state = class.self(self, "stack")
    return type(state.stack) == "table" and K.frames_text(state.stack) or state.stack or ""
  end

  local function concat_error(a, b)
    return K.text_of(a) .. K.text_of(b)
  end

  local metamethods = { __tostring = function(self) return text(class.state(self)) end, __concat = concat_error }
  class = K.class("error", methods, metamethods, function(state)
    return { kind = state.kind, message = state.message, retryable = state.retryable, details = state.details }
  end)

  -- A string operand of `..` or of a string function: an error object counts as its text.
  function K.text_of(value)
    local state = class.state(value)
    if state then return text(state) end
    local kind = type(value)
    if kind == "string" or kind == "number" then return value end
    K.misuse("attempt to concatenate a %s value", K.type(value))
  end

  local function details_of(details)
    if type(details) == "table" and raw.next(details) == nil then return nil end
    return details
  end

  function K.error(fields)
    return class.new({
      kind = fields.kind or "", message = fields.message or "", retryable = fields.retryable,
      details = details_of(copied(fields.details)), context = fields.context, cause = fields.cause,
      stack = fields.stack or K.frames(),
    })
  end

  -- One that a function of the API returns to its caller, who is looked for.
  local REFUSED = 500 -- instructions, of which most are spent in C
  function K.refusal(fields)
    local err = K.error(fields)
    K.limits.note(REFUSED)
    K.unheard(err)
    return err
  end

  function K.is_error(value) return class.state(value) ~= nil end

  function K.invalid(message, ...)
    if raw.select("#", ...) > 0 then message = message:format(...) end
    return nil, K.refusal({ kind = kinds.INVALID, message = message, retryable = false })
  end

  function K.canceled(message)
    return K.error({ kind = kinds.CANCELED, message = message or "canceled", retryable = false })
  end

  -- Wire form <-> object (runtime/errors.py has the shape).
  local MAX_CHAIN = 32 -- causes that travel: a script may wrap without end, JSON may not nest so
  function K.error_to_wire(object, depth)
    local state = class.state(object)
    local wire = {
      kind = K.plain(state.kind), message = K.plain(state.message), retryable = state.retryable,
      context = K.plain(context_of(state)),
    }
    if state.details ~= nil then wire.details = K.plain(state.details) end
    local stack = type(state.stack) == "table" and K.frames_text(state.stack) or state.stack
    if stack and stack ~= "" then wire.stack = K.plain(stack) end
    depth = depth or 1
    if state.cause and depth < MAX_CHAIN then wire.cause = K.error_to_wire(state.cause, depth + 1) end
    return wire
  end

  function K.error_from_wire(wire)
    return class.new({
      kind = wire.kind or "", message = wire.message or "", retryable = wire.retryable,
      details = details_of(wire.details), context = wire.context, stack = wire.stack or {},
      cause = type(wire.cause) == "table" and K.error_from_wire(wire.cause) or nil,
    })
  end

  -- An error in which a wait ended: where the script waited comes behind the places that it brings, or is its own.
  local MAX_STACK = 8192
  function K.arrived(err)
    local state = class.state(err)
    if state.arrived then return err end
    state.arrived = true
    local stack = state.stack or ""
    if #stack == 0 then
      state.stack = K.frames()
    elseif type(stack) == "string" and #stack < MAX_STACK then
      local here = K.frames_text(K.frames())
      if here ~= "" then state.stack = stack .. "\n" .. here end
    end
    return err
  end

  -- A message of Lua's own, with what to do about it where the host knows: the line uses a name that nothing has.
  function K.mended(message)
    local file, line = raw.string.match(message, "^(.-):(%d+): attempt to .* a nil value %([gfm]")
    local mends = file and K.boot.mends[file]
    local mend = mends and mends[line]
    if not mend or raw.string.find(message, mend, 1, true) then return message end
    return message .. ": " .. mend
  end

  -- Whatever a script raised, as an error object. Text keeps the position Lua gave it.
  function K.error_from_raise(value, frames)
    if class.state(value) then
      local state = class.state(value)
      if type(state.stack) == "table" and #state.stack == 0 then state.stack = frames end
      return value
    end
    local message = value
    if type(value) ~= "string" then
      local ok, text = K.limits.guard(raw.pcall(K.tostring, value))
      message = ok and text or "an error value whose __tostring failed"
    end
    local inside = K.without_kernel_position(message)
    if inside then
      local frame = frames[1]
      message = frame and frame.source .. ":" .. frame.line .. ": " .. inside or inside
    end
    message = K.mended(message)
    return class.new({ kind = kinds.INTERNAL, message = message, retryable = false, stack = frames })
  end

  -- A second return value that counts as failure: an error object, or text.
  function K.error_from_return(value)
    if class.state(value) then return value end
    if type(value) == "string" then return class.new({ kind = "", message = value, stack = {} }) end
    return nil
  end

  local errors = {}
  for name, kind in raw.next, kinds do errors[name] = kind end

  function errors.new(a, b)
    local fields = a
    if type(a) == "string" and b ~= nil then
      K.check(b, 2, "new", "string")
      fields = { kind = a, message = b }
    elseif type(a) == "string" then
      fields = { message = a }
    elseif K.type(a) ~= "table" then
      K.check(a, 1, "new", "string")
    end
    -- Each field is read once: a table with an __index function may answer otherwise the second time.
    local kind, message, retryable, details = fields.kind, fields.message, fields.retryable, fields.details
    K.check(message, 1, "new", "string", true)
    K.check(kind, 1, "new", "string", true)
    K.check(retryable, 1, "new", "boolean", true)
    return K.error({ kind = kind, message = message, retryable = retryable, details = details })
  end

  function errors.wrap(err, message)
    K.check(message, 2, "wrap", "string")
    if type(err) == "string" then err = K.error({ message = err }) end
    local state = class.state(err)
    if not state then K.misuse("bad argument #1 to 'wrap' (error or string expected, got %s)", K.type(err)) end
    return class.new({
      kind = state.kind, message = state.message, retryable = state.retryable, details = state.details,
      word = message, cause = err, stack = K.frames(),
    })
  end

  function errors.is(err, kind)
    local state = class.state(err)
    return state ~= nil and state.kind == kind
  end

  function errors.call_stack(err)
    local state = class.state(err)
    if not state then return nil end
    if type(state.stack) == "table" then
      local frames = {}
      for i, f in raw.ipairs(state.stack) do frames[i] = { source = f.source, line = f.line, name = f.name } end
      return { frames = frames }
    end
    local frames = {}
    for source, line, name in (state.stack or ""):gmatch("([^\n]-):(%d+): in ([^\n]*)") do
      frames[#frames + 1] = { source = source, line = raw.math.tointeger(line), name = name }
    end
    return { frames = frames }
  end

  K.errors = errors
end, "lasts"
