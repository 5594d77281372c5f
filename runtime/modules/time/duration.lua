-- Duration text in Go's form, both ways, in exact integer nanoseconds.
--
-- parse(value) -> ns | nil, message    text ("1h30m", "-1.5s", "250us", "250µs", "0") or a number of nanoseconds
--                                      (the fraction of a float is dropped); the message is for an INVALID error
-- format(ns)   -> text                 "1h30m0s", "1.5s", "100ms", "0s"
-- quote(text)  -> text                 for messages: in quotes, shortened, valid UTF-8 whatever came in
--
-- Needs nothing but the base library: the kernel loads it before any module exists. Floating point takes no part in
-- reading text, because a durable timer must have the same length on every machine.

local MIN <const> = math.mininteger
local MAX <const> = math.maxinteger
local ZERO <const> = 48

local UNITS = {
  ns = 1,
  us = 1000,
  ["\u{B5}s"] = 1000, -- the micro sign
  ["\u{3BC}s"] = 1000, -- the Greek letter, which looks the same
  ms = 1000000,
  s = 1000000000,
  m = 60000000000,
  h = 3600000000000,
}


local function quote(text)
  if #text > 100 then
    text = string.gsub(string.sub(text, 1, 97), "[\xC0-\xFF][\x80-\xBF]*$", "") .. "..."
  end
  if not utf8.len(text) then
    text = string.gsub(text, "[\x80-\xFF]", "?")
  end
  return '"' .. text .. '"'
end


local function refuse(what, reason)
  return nil, string.format('not a duration: %s: %s (write "500ms", "1h30m" or a number of nanoseconds)', what, reason)
end


-- Amounts are summed below zero, where there is room for one more than above it. Nil means too large.

local function whole_below_zero(digits, unit)
  local amount = 0
  for i = 1, #digits do
    local digit = string.byte(digits, i) - ZERO
    if amount < (MIN + digit + 9) // 10 then
      return nil
    end
    amount = amount * 10 - digit
  end
  if unit > 1 and amount < -(MAX // unit) then
    return nil
  end
  return amount * unit
end


-- Rounds down to a nanosecond, however many digits there are: dividing by ten from the last digit on is exact.
local function fraction(digits, unit)
  local amount = 0
  for i = #digits, 1, -1 do
    amount = ((string.byte(digits, i) - ZERO) * unit + amount) // 10
  end
  return amount
end


local function component(whole, decimals, unit)
  local amount = whole_below_zero(whole, unit)
  local part = decimals and fraction(string.sub(decimals, 2), unit) or 0
  if amount == nil or amount < MIN + part then
    return nil
  end
  return amount - part
end


local function parse_text(text)
  local sign, position = string.match(text, "^([+-]?)()")
  if string.sub(text, position) == "0" then
    return 0
  end

  local total = 0
  repeat
    local whole, decimals, unit, after = string.match(text, "^([0-9]*)(%.?[0-9]*)([^0-9.]*)()", position)
    if whole == "" and (decimals == "" or decimals == ".") then
      return refuse(quote(text), "no number")
    end
    if unit == "" then
      return refuse(quote(text), "a unit is missing")
    end
    if not UNITS[unit] then
      return refuse(quote(text), "unknown unit")
    end
    local amount = component(whole, decimals ~= "" and decimals or nil, UNITS[unit])
    if amount == nil or total < MIN - amount then
      return refuse(quote(text), "it is too long")
    end
    total, position = total + amount, after
  until position > #text

  if sign == "-" then
    return total
  end
  if total == MIN then
    return refuse(quote(text), "it is too long")
  end
  return -total
end


local function parse_number(number)
  if math.type(number) == "integer" then
    return number
  end
  if number ~= number or number >= 2.0 ^ 63 or number < -2.0 ^ 63 then
    return refuse("number", "it is not a number of nanoseconds in 64 bits")
  end
  return math.tointeger(number < 0 and math.ceil(number) or math.floor(number))
end


local function parse(value)
  local kind = type(value)
  if kind == "string" then
    return parse_text(value)
  end
  if kind == "number" then
    return parse_number(value)
  end
  return refuse("a " .. kind, "it has the wrong type")
end


-- Go prints below one second in the unit that leaves a whole digit, above it as hours, minutes and seconds.
local SMALL = { { 1000000, "ms" }, { 1000, "\u{B5}s" }, { 1, "ns" } }


local function with_decimals(whole, rest, width)
  if rest == 0 then
    return string.format("%d", whole)
  end
  local decimals = string.gsub(string.format("%0" .. width .. "d", rest), "0+$", "")
  return string.format("%d.%s", whole, decimals)
end


local function format_small(ns)
  for i, step in ipairs(SMALL) do
    local unit, name = step[1], step[2]
    if ns >= unit then
      local width = 9 - 3 * i
      return width == 0 and string.format("%dns", ns) or with_decimals(ns // unit, ns % unit, width) .. name
    end
  end
  return "0s"
end


local function format_large(ns)
  local seconds = ns // 1000000000
  local text = with_decimals(seconds % 60, ns % 1000000000, 9) .. "s"
  if seconds >= 60 then
    text = string.format("%dm", seconds // 60 % 60) .. text
  end
  if seconds >= 3600 then
    text = string.format("%dh", seconds // 3600) .. text
  end
  return text
end


local function format(ns)
  if ns == MIN then
    return "-2562047h47m16.854775808s" -- it has no positive counterpart to print
  end
  local size = ns < 0 and -ns or ns
  local text = size < 1000000000 and format_small(size) or format_large(size)
  return ns < 0 and "-" .. text or text
end


return function(_)
  return { parse = parse, format = format, quote = quote }
end, "lasts"
