-- expect: harmless 1000

return function(...)
  local n = 0
  for i = 1, 1000 do
    for _ in ("a b c"):gmatch("%a") do n = n + 1 break end
  end
  return n
end
