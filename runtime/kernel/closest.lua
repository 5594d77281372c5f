-- On first use of: did_you_mean
-- Which of some names was meant, for messages about a name that there is not.
return function(K)
  local raw = K.raw
  local byte, min, lower = raw.string.byte, raw.math.min, raw.string.lower

  local LONGEST = 64 -- bytes: the work is the product of two lengths

  -- How many bytes have to be put in, taken out or changed to make one text of another.
  local function distance(a, b)
    local before = {}
    for j = 0, #b do before[j] = j end
    for i = 1, #a do
      local here = { [0] = i }
      for j = 1, #b do
        local same = byte(a, i) == byte(b, j) and 0 or 1
        here[j] = min(before[j] + 1, here[j - 1] + 1, before[j - 1] + same)
      end
      before = here
    end
    return before[#b]
  end

  -- "; did you mean 'total'?", or nothing where none of these names, in their order, is close.
  function K.did_you_mean(name, names)
    local best, least
    for i = 1, #names do
      local known = names[i]
      if #name <= LONGEST and #known <= LONGEST then
        local apart = distance(lower(name), lower(known))
        if apart * 3 <= #known + 1 and (not least or apart < least) then best, least = known, apart end
      end
    end
    return best and "; did you mean '" .. best .. "'?" or ""
  end
end, "lasts"
