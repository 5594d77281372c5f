"""Scripts that Lua answers differently from one interpreter to the next, found by trying many orders of insertion."""

from __future__ import annotations

#: A table of integers and strings with holes: which of its borders `#` finds depends on where the strings lie, so on the seed of
#: the string hashes. Each table alone differs every other time; of sixty-four one always does.
BORDERS = """
local function border(suffix)
  local t = {}
  for word in ("10 4 16 ee 15 12 13 14 -1 -6 2 5 ff -12 16 11 8 -8 lll 16 -14 kkk 1 l"):gmatch("%S+") do
    local n = math.tointeger(tonumber(word))
    if not n then
      t[word .. suffix] = true
    elseif n < 0 then
      t[-n] = nil
    else
      t[n] = true
    end
  end
  return #t
end
local borders = {}
for i = 1, 64 do
  borders[i] = border(i)
end
"""
