-- expect: budget

-- The count that comes due is one call too many for the stack of C: the coroutine ends by that, and what it was to close must not
-- run where nothing counts.
return function()
  local function down(n, f)
    if n == 0 then return f() end
    return setmetatable({}, { __index = function() return down(n - 1, f) end }).x
  end
  local function work() for _ = 1, 400 do end end
  local spun = false
  for depth = 150, 210 do
    local thread = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function()
        for _ = 1, 300000000 do end
        spun = true
      end })
      down(depth, work)
    end)
    if not coroutine.resume(thread) then coroutine.close(thread) end
  end
  return spun
end
