local function act(...) return funcs.call("app:act", ...) end

return function()
  local counts = {}
  for w in ("the quick brown fox jumps over the lazy dog and the cat"):gmatch("%a+") do counts[w] = (counts[w] or 0) + 1 end
  local best
  for w, n in pairs(counts) do if not best or n > counts[best] then best = w end end
  act("most", best)
  for w, n in pairs(counts) do if n == 1 then act("once", w) break end end
end
