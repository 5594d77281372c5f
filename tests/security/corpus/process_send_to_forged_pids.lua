-- expect: harmless true

return function(...)
  local n = 0
  for _, pid in ipairs({ "{|}", "{a|}", "{\0|x}", "{@update|1}", "nobody" }) do
    local ok, e = process.send(pid, "topic", 1)
    if e then n = n + 1 end
  end
  return n >= 3
end
