-- Text in a Go layout, read back.
--
-- parse(layout, text) -> fields | nil, message
-- fields: year month day hour minute second nanosecond, and what the text said of its zone, if anything:
--         `utc`, `offset` (seconds), `abbreviation`. What the layout leaves out is 0, January or the 1st, as in Go.

return function(K)
  local calendar = K.use("modules/time/calendar")
  local layouts = K.use("modules/time/layout")
  local read = K.use("modules/time/read")


  local quote = K.use("modules/time/duration").quote


  local function cannot(layout, text, rest, element)
    local hint = ""
    if #layouts.split(layout) == 1 then
      hint = ' (a layout is written with the moment "2006-01-02 15:04:05 MST -0700")'
    end
    return nil, string.format(
      "parsing time %s as %s: cannot parse %s as %s%s", quote(text), quote(layout), quote(rest), quote(element), hint
    )
  end


  local function wrong(text, reason)
    return nil, string.format("parsing time %s: %s", quote(text), reason)
  end


  -- Passes over literal text. A run of spaces in it stands for any run, also for none at the end of the text.
  local function skip(scan, prefix)
    local text, position, i = scan.text, scan.position, 1
    while i <= #prefix do
      local byte = string.sub(prefix, i, i)
      if byte == " " then
        if position <= #text and string.sub(text, position, position) ~= " " then
          return false
        end
        i = string.match(prefix, "^ *()", i)
        position = string.match(text, "^ *()", position)
      elseif string.sub(text, position, position) == byte then
        i, position = i + 1, position + 1
      else
        return false
      end
    end
    scan.position = position
    return true
  end


  -- Reads every element of the layout into a scan; nil and the message when the text does not fit.
  local function read_all(layout, text)
    local scan = { text = text, position = 1, year = 0, hour = 0, minute = 0, second = 0, nanosecond = 0 }
    local elements = layouts.split(layout)
    for i, element in ipairs(elements) do
      if not skip(scan, element.prefix) then
        return cannot(layout, text, string.sub(text, scan.position), element.prefix)
      end
      if element.name then
        local from = scan.position
        local problem = read.READERS[element.name](scan, element, elements[i + 1])
        if problem == read.BAD then
          return cannot(layout, text, string.sub(text, from), element.text)
        elseif problem then
          return wrong(text, problem)
        end
      end
    end
    if scan.position <= #text then
      return wrong(text, "extra text: " .. quote(string.sub(text, scan.position)))
    end
    return scan
  end


  -- The month and day of the year day that was read; nil and the reason when it is not in the year, or other than
  -- the month and day that were read too.
  local function place_year_day(scan)
    if scan.year_day < 1 or scan.year_day > (calendar.is_leap(scan.year) and 366 or 365) then
      return nil, "day-of-year out of range"
    end
    local month, day = 1, scan.year_day
    while day > calendar.days_in(scan.year, month) do
      day = day - calendar.days_in(scan.year, month)
      month = month + 1
    end
    if (scan.month or month) ~= month then
      return nil, "day-of-year does not match month"
    elseif (scan.day or day) ~= day then
      return nil, "day-of-year does not match day"
    end
    scan.month, scan.day = month, day
    return true
  end


  local function apply_half(scan)
    if scan.half == "pm" and scan.hour < 12 then
      scan.hour = scan.hour + 12
    elseif scan.half == "am" and scan.hour == 12 then
      scan.hour = 0
    end
  end


  local function parse(layout, text)
    local scan, message = read_all(layout, text)
    if not scan then
      return nil, message
    end
    apply_half(scan)
    if scan.year_day then
      local placed, reason = place_year_day(scan)
      if not placed then
        return wrong(text, reason)
      end
    end
    scan.month, scan.day = scan.month or 1, scan.day or 1
    if scan.day < 1 or scan.day > calendar.days_in(scan.year, scan.month) then
      return wrong(text, "day out of range")
    end
    return scan
  end


  return { parse = parse }
end, "lasts"
