-- expect: harmless [true, true, true, "000000000000f87f"]

return function()
  local one, other = 0 / 0, -(0 / 0)
  local function same(format) return string.pack(format, one) == string.pack(format, other) end
  local hex = string.pack("<d", other):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return { same("<d"), same(">f"), same("n"), hex }
end
