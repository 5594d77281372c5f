-- expect: budget

-- The same at the end of Lua's own stack, which is a million places deep.
return function()
  local last = 0
  local function count(n)
    last = n
    return 1 + count(n + 1)
  end
  pcall(count, 1)
  local function down(n)
    if n == 0 then
      for _ = 1, 400 do end
      return 0
    end
    return 1 + down(n - 1)
  end
  for depth = last - 30, last + 5 do
    xpcall(down, function() while true do end end, depth)
  end
end
