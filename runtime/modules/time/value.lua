-- Time objects: an instant and the location it is shown in. Immutable; every method that changes something returns a
-- new Time.
--
-- new(instant) -> Time;  state(v) -> instant | nil;  RFC3339, RFC3339NANO: the layouts of the same names
-- result(instant | nil, what) -> Time | nil, INVALID "what is out of range"

return function(K)
  local instants = K.use("modules/time/instant")
  local locations = K.use("modules/time/location")
  local spans = K.use("modules/time/span")

  local RFC3339 <const> = "2006-01-02T15:04:05Z07:00"
  local RFC3339NANO <const> = "2006-01-02T15:04:05.999999999Z07:00"

  local class


  local function new(instant)
    return class.new(instant)
  end


  local function result(instant, what)
    if not instant then
      return K.invalid(what .. " is out of range")
    end
    return new(instant)
  end


  local function instant_of(self, method)
    return class.self(self, method)
  end


  local function other(value, method)
    local instant = class.state(value)
    if not instant then
      K.misuse("bad argument #1 to 'Time:%s' (Time expected, got %s)", method, value == nil and "no value" or type(value))
    end
    return instant
  end


  local methods = {}


  -- Arithmetic

  function methods.add(self, duration)
    local instant = instant_of(self, "add")
    local ns, err = spans.take(duration, 1, "Time:add")
    if not ns then
      return nil, err
    end
    return result(instants.add(instant, ns), "Time:add: the result")
  end


  function methods.sub(self, time)
    return spans.new(instants.difference(instant_of(self, "sub"), other(time, "sub")))
  end


  function methods.add_date(self, years, months, days)
    local instant = instant_of(self, "add_date")
    K.check(years, 1, "Time:add_date", "integer")
    K.check(months, 2, "Time:add_date", "integer", true)
    K.check(days, 3, "Time:add_date", "integer", true)
    local parts = instants.moment(instant)
    parts.year = parts.year + math.tointeger(years)
    parts.month = parts.month + math.tointeger(months or 0)
    parts.day = parts.day + math.tointeger(days or 0)
    return result(instants.of_date(parts, instant.loc), "Time:add_date: the result")
  end


  local function rounding(method, apply)
    return function(self, duration)
      local instant = instant_of(self, method)
      local ns, err = spans.take(duration, 1, "Time:" .. method)
      if not ns then
        return nil, err
      elseif ns <= 0 then
        return self -- there are no multiples to go to; Go leaves the time as it is
      end
      return result(apply(instant, ns), "Time:" .. method .. ": the result")
    end
  end


  methods.round = rounding("round", instants.round)
  methods.truncate = rounding("truncate", instants.truncate)


  -- Comparison

  function methods.before(self, time)
    return instants.compare(instant_of(self, "before"), other(time, "before")) < 0
  end


  function methods.after(self, time)
    return instants.compare(instant_of(self, "after"), other(time, "after")) > 0
  end


  function methods.equal(self, time)
    return instants.compare(instant_of(self, "equal"), other(time, "equal")) == 0
  end


  function methods.is_zero(self)
    local instant = instant_of(self, "is_zero")
    return instant.sec == -instants.YEAR_ONE and instant.nsec == 0
  end


  -- Fields, as the location's clock shows them

  local function field(method, name)
    methods[method] = function(self)
      return instants.moment(instant_of(self, method))[name]
    end
  end


  field("year", "year")
  field("month", "month")
  field("day", "day")
  field("hour", "hour")
  field("minute", "minute")
  field("second", "second")
  field("nanosecond", "nanosecond")
  field("weekday", "weekday")
  field("year_day", "year_day")


  function methods.date(self)
    local moment = instants.moment(instant_of(self, "date"))
    return moment.year, moment.month, moment.day
  end


  function methods.clock(self)
    local moment = instants.moment(instant_of(self, "clock"))
    return moment.hour, moment.minute, moment.second
  end


  function methods.unix(self)
    return instant_of(self, "unix").sec
  end


  function methods.unix_nano(self)
    local ns = instants.unix_nano(instant_of(self, "unix_nano"))
    if not ns then
      return K.invalid("Time:unix_nano: a time before 1678 or after 2262 has more nanoseconds than 64 bits can count")
    end
    return ns
  end


  -- Text

  -- Layouts are loaded when the first one is used: most workflows only wait, and each has an interpreter of its own.
  local function format(instant, layout)
    return K.use("modules/time/format").format(layout, instants.moment(instant))
  end


  function methods.format(self, layout)
    local instant = instant_of(self, "format")
    K.check(layout, 1, "Time:format", "string")
    return format(instant, layout)
  end


  function methods.format_rfc3339(self)
    return format(instant_of(self, "format_rfc3339"), RFC3339)
  end


  -- Location

  local function moved(instant, loc)
    return new({ sec = instant.sec, nsec = instant.nsec, loc = loc })
  end


  function methods.in_location(self, location)
    local instant = instant_of(self, "in_location")
    if location == nil then
      K.misuse("bad argument #1 to 'Time:in_location' (Location expected, got no value)")
    end
    return moved(instant, locations.take(location, 1, "Time:in_location"))
  end


  function methods.in_local(self)
    return moved(instant_of(self, "in_local"), locations.localtz())
  end


  function methods.utc(self)
    return moved(instant_of(self, "utc"), locations.utc)
  end


  function methods.location(self)
    return instant_of(self, "location").loc.object
  end


  local function operand(value)
    local instant = class.state(value)
    if not instant then
      K.misuse("attempt to compare a Time with a %s", type(value))
    end
    return instant
  end


  local function text(instant)
    return format(instant, RFC3339NANO)
  end


  local metamethods = {
    __eq = function(a, b)
      local left, right = class.state(a), class.state(b)
      return left ~= nil and right ~= nil and instants.compare(left, right) == 0
    end,
    __lt = function(a, b)
      return instants.compare(operand(a), operand(b)) < 0
    end,
    __le = function(a, b)
      return instants.compare(operand(a), operand(b)) <= 0
    end,
    __tostring = function(self)
      return text(class.state(self))
    end,
  }

  class = K.class("Time", methods, metamethods, text)

  return { new = new, result = result, state = class.state, RFC3339 = RFC3339, RFC3339NANO = RFC3339NANO }
end, "lasts"
