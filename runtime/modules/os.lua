-- os: the clock, in UTC; in a workflow it is the workflow's.
return function(K)
  local NS = 1000000000
  local os = {}

  local function days_from_civil(y, m, d)
    -- Howard Hinnant's days_from_civil; proleptic Gregorian, 1970-01-01 is 0.
    if m <= 2 then y = y - 1 end
    local era = y // 400
    local yoe = y - era * 400
    local doy = (153 * (m + (m > 2 and -3 or 9)) + 2) // 5 + d - 1
    local doe = yoe * 365 + yoe // 4 - yoe // 100 + doy
    return era * 146097 + doe - 719468
  end

  local function field(t, name, default)
    local value = t[name]
    if value == nil then value = default end
    local number = math.tointeger(tonumber(value))
    if not number then
      K.misuse(value == nil and "field '%s' missing in date table" or "field '%s' is not an integer", name)
    end
    return number
  end

  function os.time(t)
    if t == nil then return K.now() // NS end
    K.check(t, 1, "time", "table")
    local month = field(t, "month") - 1
    local days = days_from_civil(field(t, "year") + month // 12, month % 12 + 1, 1) + field(t, "day") - 1
    return days * 86400 + field(t, "hour", 12) * 3600 + field(t, "min", 0) * 60 + field(t, "sec", 0)
  end

  function os.date(format, at)
    K.check(format, 1, "date", "string", true)
    K.check(at, 2, "date", "number", true)
    format = string.gsub(format or "%c", "^!", "")
    local text, err = K.host("os.date", format, at and math.tointeger(at // 1) or K.now() // NS)
    if not text then K.misuse("bad argument #1 to 'date' (%s)", K.tostring(err)) end
    if string.sub(format, 1, 2) == "*t" then
      local year, month, day, hour, min, sec, wday, yday = string.match(text, "(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)")
      return {
        year = math.tointeger(year), month = math.tointeger(month), day = math.tointeger(day),
        hour = math.tointeger(hour), min = math.tointeger(min), sec = math.tointeger(sec),
        wday = math.tointeger(wday), yday = math.tointeger(yday), isdst = false,
      }
    end
    return text
  end

  function os.clock() return (K.now() - K.started_at) / NS end
  function os.difftime(a, b)
    K.check(a, 1, "difftime", "number")
    K.check(b, 2, "difftime", "number", true)
    return (a - (b or 0)) + 0.0
  end
  return os
end, "lasts"
