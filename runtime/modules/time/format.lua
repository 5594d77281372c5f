-- A moment as text, in a Go layout.
--
-- format(layout, moment) -> text       moment: the calendar's fields + nanosecond, offset, abbreviation

return function(K)
  local calendar = K.use("modules/time/calendar")
  local layouts = K.use("modules/time/layout")


  local function padded(number, width)
    local sign = number < 0 and "-" or ""
    return sign .. string.format("%0" .. width .. "d", number < 0 and -number or number)
  end


  local function hour12(moment)
    return (moment.hour + 11) % 12 + 1
  end


  local function offset(moment, element)
    if element.z and moment.offset == 0 then
      return "Z"
    end
    local form, seconds = element.form, moment.offset
    local sign = seconds < 0 and "-" or "+"
    seconds = seconds < 0 and -seconds or seconds
    local colon = form.colon and ":" or ""
    local text = sign .. padded(seconds // 3600, 2)
    if form.minutes then
      text = text .. colon .. padded(seconds // 60 % 60, 2)
    end
    if form.seconds then
      text = text .. colon .. padded(seconds % 60, 2)
    end
    return text
  end


  local function fraction(moment, element)
    local digits = string.sub(padded(moment.nanosecond, 9), 1, element.digits)
    if element.trim then
      digits = string.gsub(digits, "0+$", "")
    end
    return digits == "" and "" or string.sub(element.text, 1, 1) .. digits
  end


  local function zone(moment)
    if moment.abbreviation ~= "" then
      return moment.abbreviation
    end
    return offset(moment, { form = { minutes = true } }) -- a zone without a name is shown by its offset
  end


  local WRITERS = {
    year = function(m) return padded(m.year, 4) end,
    year_short = function(m) return padded(m.year < 0 and 0 or m.year % 100, 2) end,
    month_name = function(m) return calendar.MONTHS[m.month] end,
    month_short = function(m) return string.sub(calendar.MONTHS[m.month], 1, 3) end,
    month = function(m) return padded(m.month, 1) end,
    month_zero = function(m) return padded(m.month, 2) end,
    weekday_name = function(m) return calendar.WEEKDAYS[m.weekday + 1] end,
    weekday_short = function(m) return string.sub(calendar.WEEKDAYS[m.weekday + 1], 1, 3) end,
    day = function(m) return padded(m.day, 1) end,
    day_space = function(m) return string.format("%2d", m.day) end,
    day_zero = function(m) return padded(m.day, 2) end,
    year_day_space = function(m) return string.format("%3d", m.year_day) end,
    year_day_zero = function(m) return padded(m.year_day, 3) end,
    hour = function(m) return padded(m.hour, 2) end,
    hour12 = function(m) return padded(hour12(m), 1) end,
    hour12_zero = function(m) return padded(hour12(m), 2) end,
    minute = function(m) return padded(m.minute, 1) end,
    minute_zero = function(m) return padded(m.minute, 2) end,
    second = function(m) return padded(m.second, 1) end,
    second_zero = function(m) return padded(m.second, 2) end,
    upper_half = function(m) return m.hour >= 12 and "PM" or "AM" end,
    lower_half = function(m) return m.hour >= 12 and "pm" or "am" end,
    fraction = fraction,
    offset = offset,
    zone = zone,
  }


  local function format(layout, moment)
    local parts = {}
    for _, element in ipairs(layouts.split(layout)) do
      parts[#parts + 1] = element.prefix
      if element.name then
        parts[#parts + 1] = WRITERS[element.name](moment, element)
      end
    end
    return table.concat(parts)
  end


  return { format = format }
end, "lasts"
