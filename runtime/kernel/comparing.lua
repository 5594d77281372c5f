-- On first use of: sorting_cost
-- What Lua's own sort costs in C, in instructions.
return function(K)
  local raw = K.raw
  local type, find = raw.type, raw.string.find
  local SHORT = 16 -- bytes of a string in which nobody looks for NULs

  -- Of strings the bytes that two may have in common count, and more where they hold NULs: strcoll begins again behind each.
  local function weight(t, n)
    local bytes, zeros = 0, 0
    for i = 1, n do
      local v = t[i]
      local length = type(v) == "string" and #v or 0
      bytes = bytes + length
      if length > SHORT and find(v, "\0", 1, true) then zeros = zeros + length end
    end
    return bytes // 1024 + zeros // 2
  end

  -- Of the first `n` of a plain table.
  function K.sorting_cost(t, n)
    local bits = 1
    while n >> bits > 0 do bits = bits + 1 end
    if type(t[1]) ~= "string" then return n * bits // 2 end
    return n * bits + bits * weight(t, n)
  end
end, "lasts"
