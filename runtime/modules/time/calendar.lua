-- The proleptic Gregorian calendar in integers: days since 1970-01-01 to dates and back, for any year, zero included.

local MONTHS = {
  "January", "February", "March", "April", "May", "June",
  "July", "August", "September", "October", "November", "December",
}
local WEEKDAYS = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }
local LENGTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local DAY <const> = 86400


local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end


local function days_in(year, month)
  return month == 2 and is_leap(year) and 29 or LENGTHS[month]
end


-- Days since 1970-01-01. A month outside 1..12 and a day outside its month count on, as a calendar's pages do.
-- Years are taken to begin in March, so that the leap day is the last of its year; 400 years have 146097 days.
local function days(year, month, day)
  year = year + (month - 1) // 12
  month = (month - 1) % 12 + 1
  if month <= 2 then
    year = year - 1
  end
  local era, of_era = year // 400, year % 400
  local of_year = (153 * ((month + 9) % 12) + 2) // 5
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year + day - 1 - 719468
end


-- The year, month and day of a number of days since 1970-01-01.
local function civil(count)
  count = count + 719468
  local era, of_era = count // 146097, count % 146097
  local year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year + year // 4 - year // 100)
  local shifted = (5 * of_year + 2) // 153
  local month = shifted < 10 and shifted + 3 or shifted - 9
  return year + era * 400 + (month <= 2 and 1 or 0), month, of_year - (153 * shifted + 2) // 5 + 1
end


-- What a clock set to UTC shows at a Unix second: the fields of a date and time, weekday 0 = Sunday.
local function fields(second)
  local count, rest = second // DAY, second % DAY
  local year, month, day = civil(count)
  return {
    year = year,
    month = month,
    day = day,
    hour = rest // 3600,
    minute = rest // 60 % 60,
    second = rest % 60,
    weekday = (count + 4) % 7,
    year_day = count - days(year, 1, 1) + 1,
  }
end


return function(_)
  return { MONTHS = MONTHS, WEEKDAYS = WEEKDAYS, is_leap = is_leap, days_in = days_in, days = days, fields = fields }
end, "lasts"
