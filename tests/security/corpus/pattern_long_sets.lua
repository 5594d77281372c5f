-- expect: budget

-- A set costs its length at every character, wherever in a pattern it stands, also in one that is malformed behind it.
return function()
  local text, long = ("b"):rep(200000), ("a"):rep(50000)
  local set, other = "[" .. long .. "]", "[^" .. ("b%d"):rep(20000) .. "]"
  local tried = 0
  for _, pattern in ipairs({ set, set .. "x", set .. "*x", set .. "-x", "(" .. set .. "+)%1", other, other .. "?x", "%f" .. set,
    "%f" .. other .. "x", set .. "%", set .. ")", set .. "%b", set .. "((", set .. "[" }) do
    pcall(string.find, text, pattern)
    pcall(string.match, text, pattern)
    pcall(string.gsub, text, pattern, "")
    pcall(function() for _ in text:gmatch(pattern) do end end)
    tried = tried + 1
  end
  return tried
end
