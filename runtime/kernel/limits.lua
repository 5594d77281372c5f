-- The instruction budget and what keeps it from being caught. A count hook is per coroutine, so every coroutine gets one
-- when it is created, and is charged for what it may run before its first count. `pcall` swallows what a hook raises, so
-- `guard` raises it again at every place where a script could go on after it.
-- The hooks are functions of C, since coroutines are resumed by one: what they do is done elsewhere, where nothing is counted, so
-- it may depend on the clock, and one call more or less of it moves no budget.
-- Some single instructions take long (`..` of large strings, `<`, a call with a million arguments); what counting them does not
-- bound, the host's clock does. An end by the clock is no property of the script, so in a workflow it fails only the task.
return function(K)
  local raw = K.raw
  local getinfo, sethook, error, pcall, host = raw.getinfo, raw.sethook, raw.error, raw.pcall, K.host_function
  local time, cpu, memory = K.clock_seconds, K.cpu_seconds, K.collect
  local yield, wrap, running, status = raw.coroutine.yield, raw.coroutine.wrap, raw.coroutine.running, raw.coroutine.status

  local TICK = 250 -- instructions between two counts: few enough that those which copy a string of 30 MB end in time
  local FINE = 25 -- the same where single instructions take long: a part of TICK
  local HEAVY = 4096 -- KiB in use, from which a large string may still be among them
  local LARGE = 32768 -- a charge that speaks of a large string
  local SPENT = {} -- the error value; scripts cannot hold on to it, since every way of catching rethrows
  -- `thread`: the coroutine that runs code of the script, kept by those who resume one.
  local limits = { SPENT = SPENT }
  K.limits = limits
  K.anew(function()
    limits.instructions, limits.used, limits.since, limits.thread = 20000000, 0, 0, false
    limits.spent, limits.at = nil, nil
    limits.is_sizing = false -- while a value is written that is limited by its size
  end)

  -- The innermost line of the script, for the message; of `thread`, or where this is called.
  local function script_line(thread)
    for level = thread and 0 or 3, 200 do
      local info
      if thread then info = getinfo(thread, level, "Sl") else info = getinfo(level, "Sl") end
      if not info then return nil end
      if info.what ~= "C" and info.source ~= "=?" then
        return info.short_src .. ":" .. info.currentline
      end
    end
  end

  -- The line is looked for first: once something is spent, the hook lets nothing of this coroutine go on, not even this.
  local function spend(what, thread)
    if limits.spent then return end
    local at = script_line(thread)
    if not limits.spent then limits.spent, limits.at = what, at end
  end
  limits.spend = spend

  -- A function of C that does `work` in a coroutine without a hook, whenever it is called, and gives what it gives. What fails
  -- there, for want of memory, the script will find wanting itself.
  local function unhooked(work)
    local function again()
      while true do yield(work()) end
    end
    local begun = wrap(function()
      sethook()
      while true do
        yield()
        pcall(again)
      end
    end)
    begun() -- at the end of the stack of C there is no place to begin in
    return begun
  end

  -- The clock ----------------------------------------------------------------------------------------------------------

  -- Whole seconds are cheap to read: the host, who knows this thread's processor time, is asked only when one has passed, and
  -- then now and again, since a call into Python may have to wait for other threads.
  local asked
  local function is_overdue()
    if time() == limits.since or limits.is_sizing then return false end
    local now = cpu()
    if now - asked < 0.1 then return false end
    asked = now
    local _, overdue = host("overdue")
    return overdue
  end
  local look = unhooked(is_overdue)

  -- Whether instructions take long: few counts fell into the last whole second, or a large string may be there. Then a hook
  -- counts in finer steps, so that the clock is looked at in time; what is counted stays the same.
  local MANY = 2000
  local second, counts, crawling, large
  local function is_slow()
    counts = counts + 1
    local now = time()
    if now ~= second then
      crawling = counts < MANY
      second, counts = now, 0
    end
    return crawling or large
  end

  -- Counting -----------------------------------------------------------------------------------------------------------

  local function rethrow() error(SPENT, 0) end

  -- Why the script must stop, once it has run so many instructions more.
  local function count(instructions)
    limits.used = limits.used + instructions
    return limits.spent or limits.used > limits.instructions and "instructions" or is_overdue() and "time"
  end
  -- Not in a coroutine that is only about to be resumed, or has just been: the next count comes in the right one.
  local function rehook(thread, hook, every)
    if status(thread) == "normal" then sethook(thread, hook, "", every) end
  end
  local function stop(thread, what)
    pcall(spend, what, thread)
    limits.spent = limits.spent or what
    rehook(thread, rethrow, 1)
  end

  local fine
  local parts = raw.setmetatable({}, { __mode = "k" }) -- of coroutines that are counted finely: what of a TICK is done
  K.anew(function() asked, second, counts, crawling, large = 0, 0, MANY, false, false end)
  local coarse = unhooked(function()
    local what = count(TICK)
    local thread = limits.thread
    if what then
      stop(thread, what)
    elseif is_slow() then
      rehook(thread, fine, FINE)
    end
  end)
  fine = unhooked(function()
    local thread = limits.thread
    local part = (parts[thread] or 0) + FINE
    local whole = part == TICK
    local what = count(whole and TICK or 0)
    parts[thread] = not whole and part or nil
    if what then return stop(thread, what) end
    is_slow()
    if not whole or crawling then return end
    large = large and memory("count") > HEAVY
    if not large then rehook(thread, coarse, TICK) end
  end)

  -- Begins to count in a new coroutine, or from here on in one that runs.
  local function watch(thread)
    limits.used = limits.used + TICK
    if not limits.thread then limits.thread = thread end
    if crawling or large then
      parts[thread] = nil
      sethook(thread, fine, "", FINE)
    else
      sethook(thread, coarse, "", TICK)
    end
  end
  limits.watch = watch

  -- Charges for work that no instruction counts.
  function limits.charge(n)
    limits.used = limits.used + n
    if limits.spent or limits.used > limits.instructions then
      spend("instructions")
      error(SPENT, 0)
    end
    if n > 250 and look() then
      spend("time")
      error(SPENT, 0)
    end
    if n > LARGE then
      large = true
      if limits.thread and limits.thread == running() then watch(limits.thread) end
    end
  end

  -- The same where nothing may be raised: the next count finds it.
  function limits.note(n) limits.used = limits.used + n end

  -- Ends the execution for a reason of another file's.
  function limits.exceed(what)
    spend(what)
    error(SPENT, 0)
  end

  -- The kernel's own thread ---------------------------------------------------------------------------------------------
  -- It works for the script too: it encodes results, and asks error values for their text. What is spent there is raised only
  -- within `sheltered`, since nobody would catch it elsewhere, which includes the few instructions of `sheltered` itself
  -- around its pcall.

  local main, sheltering = running(), nil
  K.anew(function() sheltering = false end)
  local function rethrow_in_shelter()
    if sheltering and getinfo(2, "f").func ~= limits.sheltered then error(SPENT, 0) end
  end
  local count_in_shelter = unhooked(function()
    local what = sheltering and count(TICK)
    if not what then return end
    pcall(spend, what, main)
    limits.spent = limits.spent or what
    sethook(main, rethrow_in_shelter, "", 1)
  end)

  -- A new event has a new budget. Where it is `hurried`, since little is left of the time it shares, the host is asked at once.
  function limits.begin(hurried)
    limits.used, asked, limits.thread = 0, 0, false
    limits.since, limits.is_sizing = hurried and 0 or time(), false
    second, counts, crawling = time(), MANY, false
    sethook(main, count_in_shelter, "", TICK)
  end

  -- Answers as pcall does.
  function limits.sheltered(fn, ...)
    sheltering = true
    if not limits.spent then sethook(main, count_in_shelter, "", TICK) end -- counts from here, whatever was done before
    local ok, first, second = pcall(fn, ...)
    sheltering = false
    if not ok and first == "not enough memory" then spend("memory") end
    return ok, first, second
  end

  -- After a call of the kernel that did not return, because not even the kernel could allocate.
  function limits.recover()
    sheltering = false
    limits.spent, limits.at = nil, nil
  end

  -- Protected calls ----------------------------------------------------------------------------------------------------

  -- Whether an error may have been raised by a hook itself, whose own call was one too many. Until it is caught its coroutine runs
  -- without hooks, so nothing of the script may run meanwhile: no message handler, and no `__close` of one that it has ended.
  local find = raw.string.find
  function limits.is_overflow(err)
    if raw.type(err) ~= "string" then return false end
    return find(err, "stack overflow", 1, true) ~= nil or find(err, "error in error handling", 1, true) ~= nil
  end

  -- Between the result of a protected call and the script: a spent budget goes on unwinding.
  function limits.guard(ok, ...)
    if limits.spent then error(SPENT, 0) end
    if ok then return ok, ... end
    local err = ...
    if err == "not enough memory" then
      spend("memory")
      error(SPENT, 0)
    end
    if raw.type(err) == "string" then
      if limits.is_overflow(err) then limits.charge(TICK) end -- which that hook may not have counted
      local inside = K.without_kernel_position(err)
      if inside then return ok, K.where_prefix() .. inside end
      if find(err, ": attempt to ", 1, true) then return ok, K.mended(err) end
    end
    return ok, ...
  end
end, "lasts"
