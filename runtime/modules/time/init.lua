-- The `time` module: what a script gets from require("time"). The parts are in `time_*.lua`, one noun each.

local LAYOUTS = {
  RFC822 = "02 Jan 06 15:04 MST",
  RFC822Z = "02 Jan 06 15:04 -0700",
  RFC850 = "Monday, 02-Jan-06 15:04:05 MST",
  RFC1123 = "Mon, 02 Jan 2006 15:04:05 MST",
  RFC1123Z = "Mon, 02 Jan 2006 15:04:05 -0700",
  KITCHEN = "3:04PM",
  STAMP = "Jan _2 15:04:05",
  STAMP_MILLI = "Jan _2 15:04:05.000",
  STAMP_MICRO = "Jan _2 15:04:05.000000",
  STAMP_NANO = "Jan _2 15:04:05.000000000",
  DATE_TIME = "2006-01-02 15:04:05",
  DATE_ONLY = "2006-01-02",
  TIME_ONLY = "15:04:05",
}

local UNITS = {
  NANOSECOND = 1,
  MICROSECOND = 1000,
  MILLISECOND = 1000000,
  SECOND = 1000000000,
  MINUTE = 60000000000,
  HOUR = 3600000000000,
}

local DATE_PARTS = { "year", "month", "day", "hour", "minute", "second", "nanosecond" }


local function copy(from, into)
  for name, value in pairs(from) do
    into[name] = value
  end
end


-- string.upper follows the machine's locale.
local function upper(name)
  return (string.gsub(name, "[a-z]", function(letter)
    return string.char(string.byte(letter) - 32)
  end))
end


return function(K)
  local calendar = K.use("modules/time/calendar")
  local instants = K.use("modules/time/instant")
  local locations = K.use("modules/time/location")
  local spans = K.use("modules/time/span")
  local timers = K.use("modules/time/timer")
  local times = K.use("modules/time/value")

  local exports = {
    now = timers.now,
    sleep = timers.sleep,
    after = timers.after,
    timer = timers.timer,
    ticker = timers.ticker,
    load_location = locations.load,
    fixed_zone = locations.fixed,
    utc = locations.utc.object,
    localtz = locations.localtz().object,
    RFC3339 = times.RFC3339,
    RFC3339NANO = times.RFC3339NANO,
  }
  copy(LAYOUTS, exports)
  copy(UNITS, exports)
  for number, name in ipairs(calendar.MONTHS) do
    exports[upper(name)] = number
  end
  for number, name in ipairs(calendar.WEEKDAYS) do
    exports[upper(name)] = number - 1
  end


  -- Year, month and day are needed; the time of day is midnight unless given.
  function exports.date(...)
    local values, parts = { ... }, {}
    for n, name in ipairs(DATE_PARTS) do
      K.check(values[n], n, "time.date", "integer", n > 3)
      parts[name] = math.tointeger(values[n] or 0)
    end
    local loc = locations.take(values[#DATE_PARTS + 1], #DATE_PARTS + 1, "time.date")
    return times.result(instants.of_date(parts, loc), "time.date: the date")
  end


  function exports.unix(sec, nsec)
    K.check(sec, 1, "time.unix", "integer")
    K.check(nsec, 2, "time.unix", "integer", true)
    local instant = instants.normal(math.tointeger(sec), math.tointeger(nsec or 0), locations.localtz())
    return times.result(instant, "time.unix: the second")
  end


  function exports.parse_duration(value)
    local ns, err = spans.take(value, 1, "time.parse_duration")
    if not ns then
      return nil, err
    end
    return spans.new(ns)
  end


  -- The location that an offset in a text means: the one at hand where its clock agrees, else one made for the text.
  local function location_for_offset(fields, loc)
    local clock = instants.of_date(fields, locations.utc)
    local offset, abbreviation = locations.at(loc, clock.sec - fields.offset)
    if offset == fields.offset and (not fields.abbreviation or fields.abbreviation == abbreviation) then
      return loc
    end
    return locations.new(fields.abbreviation or "", fields.offset)
  end


  -- An abbreviation means what it means in the location at hand; elsewhere it is unknown and counts as UTC, but for
  -- the hours in "GMT+3".
  local function location_for_abbreviation(fields, loc)
    local clock = instants.of_date(fields, locations.utc).sec
    local offset = locations.offset_of(loc, fields.abbreviation, clock)
    if offset then
      return loc, offset
    end
    local hours = string.match(fields.abbreviation, "^GMT([+-][0-9]+)$")
    offset = hours and math.tointeger(tonumber(hours)) * 3600 or 0
    return locations.new(fields.abbreviation, offset), offset
  end


  -- The instant that was read, with `default` for a text that says nothing of its zone, and `loc` to interpret what it
  -- does say. They differ, as in Go, only when the script gave no location.
  local function instant_of(fields, default, loc)
    if fields.utc then
      return instants.of_date(fields, locations.utc)
    elseif not fields.offset and not fields.abbreviation then
      return instants.of_date(fields, default)
    end
    local offset = fields.offset
    if offset then
      loc = location_for_offset(fields, loc)
    else
      loc, offset = location_for_abbreviation(fields, loc)
    end
    local instant = instants.of_date(fields, locations.utc)
    return { sec = instant.sec - offset, nsec = instant.nsec, loc = loc }
  end


  function exports.parse(layout, text, location)
    K.check(layout, 1, "time.parse", "string")
    K.check(text, 2, "time.parse", "string")
    local loc = locations.take(location, 3, "time.parse")
    if layout == "" then
      return K.invalid("time.parse: the layout is empty")
    end
    local fields, message = K.use("modules/time/parse").parse(layout, text) -- loaded on demand, see time/value
    if not fields then
      return K.invalid(message)
    end
    return times.new(instant_of(fields, location and loc or locations.utc, loc))
  end


  return exports
end
