-- expect: harmless [0, 0, 0, 3]

-- There a leading "^" is a character, so it bounds nothing.
return function()
  local text, counts = ("^"):rep(2000000), {}
  for i, pattern in ipairs({ "^.-x", "^*x", "^-x" }) do
    counts[i] = 0
    for _ in text:gmatch(pattern) do counts[i] = counts[i] + 1 end
  end
  counts[4] = 0
  for _ in ("^a^a^a"):gmatch("^a") do counts[4] = counts[4] + 1 end
  return counts
end
