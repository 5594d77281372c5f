-- The readers of layout elements: each takes what its element stands for from the front of a text.
--
-- READERS[name](scan, element, next_element) -> nil when read, BAD when the text does not fit, or what is out of range
-- scan: {text, position} and what was read so far: year month day year_day hour minute second nanosecond half
--       utc, offset, abbreviation

return function(K)
  local calendar = K.use("modules/time/calendar")

  local BAD <const> = "bad"
  local READERS = {}


  -- Takes what `pattern` matches; its first capture is returned, nil when there is no match.
  local function take(scan, pattern)
    local found, after = string.match(scan.text, "^" .. pattern .. "()", scan.position)
    if found then
      scan.position = after
    end
    return found
  end


  local function fold(text)
    return (string.gsub(text, "[A-Z]", function(letter)
      return string.char(string.byte(letter) + 32)
    end))
  end


  -- The index of the name that comes next, whatever its case.
  local function name_index(scan, names, length)
    for index, name in ipairs(names) do
      name = length and string.sub(name, 1, length) or name
      local after = scan.position + #name
      if fold(string.sub(scan.text, scan.position, after - 1)) == fold(name) then
        scan.position = after
        return index
      end
    end
    return nil
  end


  local function month_name(length)
    return function(scan)
      scan.month = name_index(scan, calendar.MONTHS, length)
      return scan.month == nil and BAD or nil
    end
  end


  -- A weekday must be one, but need not fit the date: Go ignores it too.
  local function weekday_name(length)
    return function(scan)
      return name_index(scan, calendar.WEEKDAYS, length) == nil and BAD or nil
    end
  end


  -- One or two digits, or exactly two.
  local function number(field, pattern, low, high)
    return function(scan)
      local digits = take(scan, pattern)
      if not digits then
        return BAD
      end
      local value = math.tointeger(tonumber(digits))
      scan[field] = value
      return low and (value < low or value > high) and field .. " out of range" or nil
    end
  end


  local ONE_OR_TWO <const>, TWO <const> = "([0-9][0-9]?)", "([0-9][0-9])"
  local SPACED <const> = " ?([0-9][0-9]?)"

  READERS.month_name = month_name()
  READERS.month_short = month_name(3)
  READERS.weekday_name = weekday_name()
  READERS.weekday_short = weekday_name(3)
  READERS.year = number("year", "([0-9][0-9][0-9][0-9])")
  READERS.month = number("month", ONE_OR_TWO, 1, 12)
  READERS.month_zero = number("month", TWO, 1, 12)
  READERS.day = number("day", ONE_OR_TWO)
  READERS.day_space = number("day", SPACED)
  READERS.day_zero = number("day", TWO)
  READERS.year_day_space = number("year_day", " ? ?([0-9][0-9]?[0-9]?)")
  READERS.year_day_zero = number("year_day", "([0-9][0-9][0-9])")
  READERS.hour = number("hour", ONE_OR_TWO, 0, 23)
  READERS.hour12 = number("hour", ONE_OR_TWO, 0, 12)
  READERS.hour12_zero = number("hour", TWO, 0, 12)
  READERS.minute = number("minute", ONE_OR_TWO, 0, 59)
  READERS.minute_zero = number("minute", TWO, 0, 59)

  local year_short = number("year", TWO)


  function READERS.year_short(scan)
    local problem = year_short(scan)
    if not problem then
      scan.year = scan.year + (scan.year >= 69 and 1900 or 2000)
    end
    return problem
  end


  -- ".5" after the point counts half a second; digits beyond the ninth are dropped.
  local function set_nanosecond(scan, digits)
    scan.nanosecond = math.tointeger(tonumber(string.sub(digits .. "000000000", 1, 9)))
  end


  -- A fraction may follow a second although the layout has none.
  local function second(pattern)
    local read = number("second", pattern, 0, 59)
    return function(scan, _, following)
      local problem = read(scan)
      if not problem and following.name ~= "fraction" then
        local digits = take(scan, "[.,]([0-9]+)")
        if digits then
          set_nanosecond(scan, digits)
        end
      end
      return problem
    end
  end


  READERS.second = second(ONE_OR_TWO)
  READERS.second_zero = second(TWO)


  function READERS.fraction(scan, element)
    local digits = string.match(scan.text, "^[.,]([0-9]+)", scan.position)
    if not digits and element.trim then
      return nil
    elseif not digits or #digits < element.digits and not element.trim then
      return BAD
    end
    digits = element.trim and digits or string.sub(digits, 1, element.digits)
    scan.position = scan.position + 1 + #digits
    set_nanosecond(scan, digits)
    return nil
  end


  local function half(am, pm)
    return function(scan)
      scan.half = take(scan, "(" .. pm .. ")") and "pm" or take(scan, "(" .. am .. ")") and "am"
      return not scan.half and BAD or nil
    end
  end


  READERS.upper_half = half("AM", "PM")
  READERS.lower_half = half("am", "pm")


  local function offset_pattern(form)
    local colon = form.colon and ":" or ""
    local pattern = "([+-][0-9][0-9]"
    if form.minutes then
      pattern = pattern .. colon .. "[0-9][0-9]"
    end
    if form.seconds then
      pattern = pattern .. colon .. "[0-9][0-9]"
    end
    return pattern .. ")"
  end


  -- The limits let 24 hours and 60 minutes pass, since some people write offsets so.
  function READERS.offset(scan, element)
    if element.z and take(scan, "(Z)") then
      scan.utc = true
      return nil
    end
    local text = take(scan, offset_pattern(element.form))
    if not text then
      return BAD
    end
    local numbers = {}
    for digits in string.gmatch(text, "[0-9][0-9]") do
      numbers[#numbers + 1] = math.tointeger(tonumber(digits))
    end
    local hours, minutes, seconds = numbers[1], numbers[2] or 0, numbers[3] or 0
    if hours > 24 or minutes > 60 or seconds > 60 then
      return "time zone offset out of range"
    end
    local offset = hours * 3600 + minutes * 60 + seconds
    scan.offset = string.sub(text, 1, 1) == "-" and -offset or offset
    return nil
  end


  -- An abbreviation is three to five capitals, the last of four or five a T, but for a few that grew differently.
  local function abbreviation_at(text, position)
    if #text - position < 2 then
      return nil
    end
    local odd = string.match(text, "^ChST", position) or string.match(text, "^MeST", position)
    if odd then
      return odd
    end
    local gmt, sign, hours = string.match(text, "^(G?M?T?)([+-])([0-9]+)", position)
    if hours and (gmt == "GMT" or gmt == "") and #hours <= 19 and tonumber(hours) <= 23 then
      return gmt .. sign .. hours
    end
    if string.find(text, "^GMT", position) then
      return "GMT"
    end
    local capitals = string.match(text, "^[A-Z]+", position) or ""
    if #capitals == 3 or capitals == "WITA" or ((#capitals == 4 or #capitals == 5) and string.sub(capitals, -1) == "T") then
      return capitals
    end
    return nil
  end


  function READERS.zone(scan)
    if take(scan, "(UTC)") then
      scan.utc = true
      return nil
    end
    local found = abbreviation_at(scan.text, scan.position)
    if not found then
      return BAD
    end
    scan.abbreviation = found
    scan.position = scan.position + #found
    return nil
  end


  return { READERS = READERS, BAD = BAD }
end, "lasts"
