-- expect: harmless [true,"X"]

return function(...)
  -- What pairs hands to the loop is the view, not the table behind it.
  local _, view = pairs(string)
  local ok = pcall(function() view.upper = function() return "pwned" end end)
  return { not ok, ("x"):upper() }
end
