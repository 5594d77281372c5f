-- Duration objects, and the one way in which every function of the module takes a duration.
--
-- new(ns) -> Duration;  state(v) -> {ns} | nil
-- take(value, n, fname) -> ns | nil, err      a Duration, text or number of nanoseconds; bad text is INVALID, another
--                                             type raises at the script's line
-- take_positive: the same for timers, where zero and less are INVALID

return function(K)
  local durations = K.use("modules/time/duration")

  local SECOND <const> = 1000000000
  local MINUTE <const> = 60 * SECOND
  local HOUR <const> = 60 * MINUTE

  local class


  local function ns_of(self, method)
    return class.self(self, method).ns
  end


  -- Division toward zero, as in Go; Lua's own rounds down.
  local function quotient(ns, unit)
    local whole = ns // unit
    return ns < 0 and ns % unit ~= 0 and whole + 1 or whole
  end


  -- Whole units and the rest apart: an integer of 64 bits has more digits than a float.
  local function as_float(ns, unit)
    local whole = quotient(ns, unit)
    return whole + (ns - whole * unit) / unit
  end


  local methods = {}


  function methods.hours(self)
    return as_float(ns_of(self, "hours"), HOUR)
  end


  function methods.minutes(self)
    return as_float(ns_of(self, "minutes"), MINUTE)
  end


  function methods.seconds(self)
    return as_float(ns_of(self, "seconds"), SECOND)
  end


  function methods.milliseconds(self)
    return quotient(ns_of(self, "milliseconds"), 1000000)
  end


  function methods.microseconds(self)
    return quotient(ns_of(self, "microseconds"), 1000)
  end


  function methods.nanoseconds(self)
    return ns_of(self, "nanoseconds")
  end


  local function take(value, n, fname)
    local state = class.state(value)
    if state then
      return state.ns
    end
    local kind = type(value)
    if kind ~= "string" and kind ~= "number" then
      local got = value == nil and "no value" or kind
      K.misuse("bad argument #%d to '%s' (duration expected: text, nanoseconds or Duration; got %s)", n, fname, got)
    end
    local ns, message = durations.parse(value)
    if not ns then
      return K.invalid(message)
    end
    return ns
  end


  local function take_positive(value, n, fname)
    local ns, err = take(value, n, fname)
    if ns and ns <= 0 then
      return K.invalid(string.format("%s: the duration must be positive, got %s", fname, durations.format(ns)))
    end
    return ns, err
  end


  -- An operand of < and <=: numbers are nanoseconds here as everywhere, so `d > 5 * time.SECOND` works.
  local function operand(value)
    local state = class.state(value)
    if state then
      return state.ns
    elseif type(value) == "number" then
      return value
    end
    return K.misuse("attempt to compare a Duration with a %s", type(value))
  end


  local metamethods = {}


  function metamethods.__eq(a, b)
    local left, right = class.state(a), class.state(b)
    return left ~= nil and right ~= nil and left.ns == right.ns
  end


  function metamethods.__lt(a, b)
    return operand(a) < operand(b)
  end


  function metamethods.__le(a, b)
    return operand(a) <= operand(b)
  end


  function metamethods.__tostring(self)
    return durations.format(class.state(self).ns)
  end


  class = K.class("Duration", methods, metamethods, function(state)
    return durations.format(state.ns)
  end)


  return {
    new = function(ns)
      return class.new({ ns = ns })
    end,
    state = class.state,
    take = take,
    take_positive = take_positive,
  }
end, "lasts"
