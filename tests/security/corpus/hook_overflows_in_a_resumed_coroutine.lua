-- expect: budget

-- Coroutines that are resumed at the last places of the stack of C, so that they go on behind its end.
return function()
  local function down(n, f)
    if n == 0 then return f() end
    return setmetatable({}, { __index = function() return down(n - 1, f) end }).x
  end
  local function work() for _ = 1, 100 do end end
  for depth = 185, 205 do
    for more = 1, 30 do
      local thread = coroutine.create(function()
        local _ <close> = setmetatable({}, { __close = function() while true do end end })
        coroutine.yield()
        while not pcall(down, more, work) do end
        down(more, work)
      end)
      coroutine.resume(thread)
      pcall(down, depth, function() return coroutine.resume(thread) end)
      pcall(coroutine.close, thread)
    end
  end
  while true do end
end
