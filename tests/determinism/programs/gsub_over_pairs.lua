local function act(...) return funcs.call("app:act", ...) end

return function()
  local text = ("a b c d e f"):gsub("%a", { a = "1", c = "3", e = "5" })
  local t = {}
  for w in text:gmatch("%w") do t[w] = (t[w] or 0) + 1 end
  for w, n in pairs(t) do act("word", w, n) end
end
