-- Go reference layouts, split into the elements that stand for something and the text between them.
--
-- split(layout) -> list of {prefix = text before it, text = "2006", name = "year"} ; the last has a prefix only
-- Elements of a fraction also have `digits` and `trim` (".999" drops trailing zeros); those of an offset have `form`
-- (the digits' shape) and `z` (print and accept "Z" for UTC). Any text is a layout: what stands for nothing is literal.

-- By first byte, tried in order: the longer text first where one begins with the other.
local ELEMENTS = {
  J = { { "January", "month_name" }, { "Jan", "month_short", true } },
  M = { { "Monday", "weekday_name" }, { "Mon", "weekday_short", true }, { "MST", "zone" } },
  ["0"] = {
    { "01", "month_zero" }, { "02", "day_zero" }, { "03", "hour12_zero" }, { "04", "minute_zero" },
    { "05", "second_zero" }, { "06", "year_short" }, { "002", "year_day_zero" },
  },
  ["1"] = { { "15", "hour" }, { "1", "month" } },
  ["2"] = { { "2006", "year" }, { "2", "day" } },
  ["_"] = { { "_2", "day_space" }, { "__2", "year_day_space" } },
  ["3"] = { { "3", "hour12" } },
  ["4"] = { { "4", "minute" } },
  ["5"] = { { "5", "second" } },
  P = { { "PM", "upper_half" } },
  p = { { "pm", "lower_half" } },
}

-- What follows the "-" or "Z" of an offset, longest first. `colon`, `minutes`, `seconds` describe the digits.
local OFFSETS = {
  { text = "070000", minutes = true, seconds = true },
  { text = "07:00:00", colon = true, minutes = true, seconds = true },
  { text = "0700", minutes = true },
  { text = "07:00", colon = true, minutes = true },
  { text = "07" },
}


-- "Month" is a word of its own, not "Mon" and "th".
local function goes_on(layout, position)
  return string.find(layout, "^[a-z]", position) ~= nil
end


local function fraction_at(layout, position)
  local digits = string.match(layout, "^[.,](0+)", position) or string.match(layout, "^[.,](9+)", position)
  if not digits or string.find(layout, "^[0-9]", position + 1 + #digits) then
    return nil
  end
  local text = string.sub(layout, position, position + #digits)
  return { name = "fraction", text = text, digits = #digits, trim = string.sub(digits, 1, 1) == "9" }
end


local function offset_at(layout, position)
  for _, form in ipairs(OFFSETS) do
    if string.sub(layout, position + 1, position + #form.text) == form.text then
      local first = string.sub(layout, position, position)
      return { name = "offset", text = first .. form.text, form = form, z = first == "Z" }
    end
  end
  return nil
end


local function word_at(layout, position, candidates)
  for _, candidate in ipairs(candidates) do
    local text, name, whole_word = candidate[1], candidate[2], candidate[3]
    local ends = position + #text
    if string.sub(layout, position, ends - 1) == text and not (whole_word and goes_on(layout, ends)) then
      return { name = name, text = text }
    end
  end
  return nil
end


local function element_at(layout, position)
  local first = string.sub(layout, position, position)
  if first == "." or first == "," then
    return fraction_at(layout, position)
  elseif first == "-" or first == "Z" then
    return offset_at(layout, position)
  elseif first == "_" and string.sub(layout, position + 1, position + 4) == "2006" then
    return nil -- an underscore before a year, not a padded day
  end
  local candidates = ELEMENTS[first]
  return candidates and word_at(layout, position, candidates)
end


local function split(layout)
  local elements, from, position = {}, 1, 1
  while position <= #layout do
    position = string.find(layout, "[JM0-5_PpZ.,-]", position) or #layout + 1
    local element = element_at(layout, position)
    if element then
      element.prefix = string.sub(layout, from, position - 1)
      elements[#elements + 1] = element
      position = position + #element.text
      from = position
    else
      position = position + 1
    end
  end
  elements[#elements + 1] = { prefix = string.sub(layout, from) }
  return elements
end


return function(_)
  return { split = split }
end, "lasts"
