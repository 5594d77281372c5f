-- expect: harmless 5

return function(...)
  local n = 0
  for _, d in ipairs({ "", "1", "9e99h", ("9"):rep(100000) .. "h", "\xff" }) do
    local v, e = time.parse_duration(d)
    if e then n = n + 1 end
  end
  return n
end
