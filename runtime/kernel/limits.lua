-- The instruction budget and what keeps it from being caught. A count hook is per coroutine, so every coroutine gets one
-- when it is created, and is charged for what it may run before its first count; the hook is a Lua function, so pcall
-- swallows what it raises: `guard` raises it again at every place where a script could go on after it.
-- Some single instructions take long (`..` of large strings, a call with a million arguments); what counting them does not
-- bound, the host's clock does. An end by the clock is no property of the script, so in a workflow it fails only the task.
return function(K)
  local raw = K.raw
  local getinfo, sethook, error, host = raw.getinfo, raw.sethook, raw.error, K.host_function
  local time, cpu = K.clock_seconds, K.cpu_seconds

  local COUNT = 1000 -- what is counted at a time
  local TICK = 100 -- instructions between two looks at the clock; few, since each may copy a string as large as the memory
  local ticks = 0
  local SPENT = {} -- the error value; scripts cannot hold on to it, since every way of catching rethrows
  local limits = { instructions = 20000000, used = 0, spent = nil, at = nil, SPENT = SPENT, since = time() }
  K.limits = limits

  -- The innermost line of the script, for the message.
  local function script_line()
    for level = 3, 200 do
      local info = getinfo(level, "Sl")
      if not info then return nil end
      if info.what ~= "C" and info.source ~= "=?" then
        return info.short_src .. ":" .. info.currentline
      end
    end
  end

  -- The line is looked for first: once something is spent, the hook lets nothing of this coroutine go on, not even this.
  local function spend(what)
    if limits.spent then return end
    local at = script_line()
    if not limits.spent then limits.spent, limits.at = what, at end
  end
  limits.spend = spend

  -- Whole seconds are cheap to read: the host, who knows this thread's processor time, is asked only when one has passed, and
  -- then now and again, since a call into Python may have to wait for other threads.
  local asked = 0
  local function is_overdue()
    local now = cpu()
    if now - asked < 0.1 then return false end
    asked = now
    local _, overdue = host("overdue")
    return overdue
  end
  local function out_of_time()
    spend("time")
    error(SPENT, 0)
  end

  -- How much of that is executed depends on the clock, so it must not count: what Lua counts goes on while a hook runs. So it is
  -- done in a coroutine that has no hook, and either way the caller sees one call of a C function, `rawequal(1, nil)` or `look`.
  local co, rawequal = raw.coroutine, raw.rawequal
  local look = co.wrap(function() while true do co.yield(is_overdue()) end end)
  local LOOK = { [true] = rawequal, [false] = look }

  local function hook()
    ticks = ticks + TICK
    if ticks >= COUNT then
      ticks = 0
      limits.used = limits.used + COUNT
    end
    if limits.spent or limits.used > limits.instructions then
      spend("instructions")
      error(SPENT, 0)
    end
    if LOOK[rawequal(time(), limits.since)](1, nil) then out_of_time() end
  end

  -- Ends the execution for a reason of another file's.
  function limits.exceed(what)
    spend(what)
    error(SPENT, 0)
  end

  -- A new event has a new budget. Where it is `hurried`, since little is left of the time it shares, the host is asked at once.
  function limits.begin(hurried)
    limits.used, ticks, asked = 0, 0, 0
    limits.since = hurried and 0 or time()
  end

  -- The kernel's own thread works for the script too: it encodes results, and asks error values for their text. Only
  -- within `sheltered`, since nobody would catch what the hook raises elsewhere, which includes the few instructions of
  -- `sheltered` itself around its pcall. Answers as pcall does.
  local sheltering = false
  local function in_shelter()
    if not sheltering then return end
    local ok, err = raw.pcall(hook)
    if not ok and getinfo(2, "f").func ~= limits.sheltered then error(err, 0) end
  end
  sethook(in_shelter, "", TICK)
  function limits.sheltered(fn, ...)
    sheltering = true
    sethook(in_shelter, "", TICK) -- counts from here, whatever was done before
    local ok, first, second = raw.pcall(fn, ...)
    sheltering = false
    if not ok and first == "not enough memory" then spend("memory") end
    return ok, first, second
  end

  -- After a call of the kernel that did not return, because not even the kernel could allocate.
  function limits.recover()
    sheltering = false
    limits.spent, limits.at = nil, nil
  end

  function limits.watch(co)
    limits.used = limits.used + COUNT
    sethook(co, hook, "", TICK)
  end

  function limits.charge(n)
    limits.used = limits.used + n
    if limits.spent or limits.used > limits.instructions then
      spend("instructions")
      error(SPENT, 0)
    end
    if n > 250 and LOOK[rawequal(time(), limits.since)](1, nil) then out_of_time() end
  end

  -- Between the result of a protected call and the script: a spent budget goes on unwinding.
  function limits.guard(ok, ...)
    if limits.spent then error(SPENT, 0) end
    if not ok and (...) == "not enough memory" then
      spend("memory")
      error(SPENT, 0)
    end
    if not ok and raw.type((...)) == "string" then
      local inside = K.without_kernel_position((...))
      if inside then return ok, K.where_prefix() .. inside end
    end
    return ok, ...
  end
end
