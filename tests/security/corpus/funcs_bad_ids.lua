-- expect: harmless 5

return function(...)
  local n = 0
  for _, id in ipairs({ "", ":", "a:", ":b", "a:b:c" }) do
    local v, e = funcs.call(id)
    if e and e:kind() == "Invalid" then n = n + 1 end
  end
  return n
end
