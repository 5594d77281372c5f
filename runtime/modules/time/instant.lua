-- Instants in integers: a Unix second, the nanoseconds after it, and the location whose clock it is read on.
--
-- An instant is {sec, nsec, loc}, loc being a location's state; it never changes once made.
-- Every second within about 142 million years of 1970 has an instant; what would lie beyond is answered with nil.

return function(K)
  local calendar = K.use("modules/time/calendar")
  local locations = K.use("modules/time/location")

  local SECOND <const> = 1000000000
  local LIMIT <const> = 1 << 52
  local YEAR_ONE <const> = 62135596800 -- seconds from the start of year 1, from which Go rounds, to 1970


  local function make(sec, nsec, loc)
    if sec > LIMIT or sec < -LIMIT then
      return nil
    end
    return { sec = sec, nsec = nsec, loc = loc }
  end


  -- Seconds and any number of nanoseconds.
  local function normal(sec, nsec, loc)
    if sec > LIMIT or sec < -LIMIT then
      return nil
    end
    return make(sec + nsec // SECOND, nsec % SECOND, loc)
  end


  local function of_nanoseconds(ns, loc)
    return { sec = ns // SECOND, nsec = ns % SECOND, loc = loc }
  end


  local function of_clock(clock, nsec, loc)
    local instant = normal(clock, nsec, loc)
    if instant then
      instant.sec = locations.second_of(loc, instant.sec)
    end
    return instant
  end


  -- A date and time of day on a location's clock; every field counts on beyond its range.
  local function of_date(parts, loc)
    local size = math.abs(parts.year * 31556952.0) + math.abs(parts.month * 2629746.0) + math.abs(parts.day * 86400.0)
    size = size + math.abs(parts.hour * 3600.0) + math.abs(parts.minute * 60.0) + math.abs(parts.second + 0.0)
    if size > LIMIT then
      return nil -- in floats, because the integers below would wrap around
    end
    local days = calendar.days(parts.year, parts.month, parts.day)
    local clock = days * 86400 + parts.hour * 3600 + parts.minute * 60 + parts.second
    return of_clock(clock, parts.nanosecond, loc)
  end


  -- What the location's clock shows: the calendar's fields, and nanosecond, offset, abbreviation.
  local function moment(instant)
    local offset, abbreviation = locations.at(instant.loc, instant.sec)
    local shown = calendar.fields(instant.sec + offset)
    shown.nanosecond, shown.offset, shown.abbreviation = instant.nsec, offset, abbreviation
    return shown
  end


  local function add(instant, ns)
    return normal(instant.sec + ns // SECOND, instant.nsec + ns % SECOND, instant.loc)
  end


  -- Nanoseconds from b to a; as much of them as 64 bits hold, as in Go.
  local function difference(a, b)
    local sec, nsec = a.sec - b.sec, a.nsec - b.nsec
    if nsec < 0 then
      sec, nsec = sec - 1, nsec + SECOND
    end
    local largest, smallest = math.maxinteger, math.mininteger
    local highest, lowest = largest // SECOND, smallest // SECOND
    if sec > highest or sec == highest and nsec > largest % SECOND then
      return largest
    elseif sec < lowest or sec == lowest and nsec < smallest % SECOND then
      return smallest
    end
    return sec * SECOND + nsec
  end


  -- Negative, zero or positive, as a comes before, with or after b.
  local function compare(a, b)
    return a.sec ~= b.sec and a.sec - b.sec or a.nsec - b.nsec
  end


  -- Nanoseconds since 1970, nil outside of 1678..2262.
  local function unix_nano(instant)
    local ns = instant.sec * SECOND + instant.nsec
    return ns // SECOND == instant.sec and ns or nil -- false when it wrapped around
  end


  -- (a + b) % m for a, b in 0..m-1, where a + b may not fit in 64 bits.
  local function add_modulo(a, b, m)
    if a >= m - b then
      return a - (m - b)
    end
    return a + b
  end


  -- (a * b) % m by doubling, since the product does not fit.
  local function multiply_modulo(a, b, m)
    local result = 0
    a = a % m
    while b > 0 do
      if b & 1 == 1 then
        result = add_modulo(result, a, m)
      end
      a = add_modulo(a, a, m)
      b = b >> 1
    end
    return result
  end


  -- Nanoseconds since the last multiple of `ns`, counted from the start of year 1.
  local function remainder(instant, ns)
    local seconds = multiply_modulo((instant.sec + YEAR_ONE) % ns, SECOND, ns)
    return add_modulo(seconds, instant.nsec % ns, ns)
  end


  local function truncate(instant, ns)
    return add(instant, -remainder(instant, ns))
  end


  -- To the nearest multiple, halves up.
  local function round(instant, ns)
    local past = remainder(instant, ns)
    return add(instant, past < ns - past and -past or ns - past)
  end


  return {
    YEAR_ONE = YEAR_ONE,
    normal = normal,
    of_nanoseconds = of_nanoseconds,
    of_date = of_date,
    moment = moment,
    add = add,
    difference = difference,
    compare = compare,
    unix_nano = unix_nano,
    truncate = truncate,
    round = round,
  }
end, "lasts"
