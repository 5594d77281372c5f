-- Scheduled coroutines in one FIFO run queue. A task runs until it parks; the host gets its answer when nobody can run.
-- A coroutine that a script makes itself runs inside the task that resumes it: a blocking call in it parks that task.
return function(K)
  local raw = K.raw
  local co, error, type = raw.coroutine, raw.error, raw.type
  local create, resume, yield, status, running, isyieldable = co.create, co.resume, co.yield, co.status, co.running,
    co.isyieldable
  local limits = K.limits

  local PARK = {} -- yielded by a task that waits; no script ever sees it
  local queue, head, tail
  local tasks, next_id
  local outside_count -- how many tasks wait for what only comes from outside
  -- Coroutines that only the scheduler may resume: those of tasks, and those in which a task waits.
  local scheduled = raw.setmetatable({}, { __mode = "k" })
  local unyieldable -- how many resumes on the stack could not hand a wait on to their task
  K.anew(function()
    queue, head, tail, tasks, next_id = {}, 1, 0, {}, 1
    outside_count, unyieldable = 0, 0
  end)

  local function push(task)
    tail = tail + 1
    queue[tail] = task
  end

  -- Coroutines that a question made: it may go on in no other, since what it does there would be left in the run.
  local of_questions = raw.setmetatable({}, { __mode = "k" })
  local function check_question(thread)
    if K.readonly and not of_questions[thread] then
      K.misuse("a query handler or validator cannot resume or close a coroutine of the run")
    end
  end

  local function new_coroutine(fn)
    local thread = create(fn)
    if K.readonly then of_questions[thread] = true end
    limits.watch(thread)
    return thread
  end

  -- A task that will run fn(...). `detached` and the context travel from the task that spawns it.
  function K.spawn_task(fn, ...)
    local parent = K.current
    local packed = raw.table.pack(...)
    local body = fn
    if packed.n > 0 then body = function() return fn(raw.table.unpack(packed, 1, packed.n)) end end
    local task = { id = next_id, co = new_coroutine(body), at = parent and K.where(), outside = false,
      detached = parent and parent.detached or 0 }
    next_id = next_id + 1
    scheduled[task.co] = true
    tasks[task.id] = task
    push(task)
    return task
  end

  -- Raises where nothing can wait. To be called before a waiter is registered anywhere.
  function K.must_be_able_to_wait()
    if not K.current or K.loading then
      K.misuse(K.readonly and "a query handler or validator cannot wait"
        or "the body of a file cannot wait: return a function that does")
    end
    if unyieldable > 0 or not isyieldable() then
      K.misuse("cannot wait here: inside a table.sort comparator, a string.gsub callback, a metamethod called from C or "
        .. "an iterator called from C")
    end
  end

  -- Whether something outside that no command asks for, as a message, may wake a task that waits.
  function K.waits_for_outside(task, is)
    if is ~= task.outside then
      task.outside = is
      outside_count = outside_count + (is and 1 or -1)
    end
  end

  -- Waits until `wake`; returns what it was woken with (at most four values). `waiting` says for what, for stacks and
  -- deadlock detection: {what=text, outside=bool|nil, cancel=function(task)|nil}. `outside` as for K.waits_for_outside.
  function K.park(waiting)
    local task = K.current
    task.waiting = waiting
    K.waits_for_outside(task, waiting.outside or false)
    task.leaf = running()
    return yield(PARK)
  end

  function K.wake(task, a, b, c, d)
    task.waiting = nil
    if task.outside then K.waits_for_outside(task, false) end
    task.a, task.b, task.c, task.d = a, b, c, d
    push(task)
  end

  -- The initiator of a hand-off queues itself before its counterpart, and both go on in that order.
  function K.yield_before(counterpart_wake)
    local task = K.current
    if task and unyieldable == 0 and isyieldable() then
      push(task)
      counterpart_wake()
      task.leaf = running()
      yield(PARK)
    else
      counterpart_wake()
    end
  end

  -- Runs every task that can run. Returns "failed", error | "done", value, err (of `main`) | nil.
  function K.run(main)
    while head <= tail do
      local task = queue[head]
      queue[head] = nil
      head = head + 1
      if head > tail then head, tail = 1, 0 end
      K.current = task
      local a, b, c, d = task.a, task.b, task.c, task.d
      task.a, task.b, task.c, task.d = nil, nil, nil, nil
      limits.thread = task.co
      local ok, first, second = resume(task.co, a, b, c, d)
      limits.thread, K.current = false, false
      if limits.spent then return "spent" end
      if K.continuation then return "continue" end
      if not ok then
        if first == "not enough memory" then
          limits.spend("memory")
          return "spent"
        end
        return "failed", K.error_from_raise(first, K.frames(task.co))
      end
      if status(task.co) == "dead" then
        tasks[task.id] = nil
        if task == main then return "done", first, second end
        if task.finished then task.finished(first, second) end
      end
    end
  end

  function K.each_task(fn)
    local list = {}
    for id in raw.next, tasks do list[#list + 1] = id end
    raw.table.sort(list)
    for i = 1, #list do
      local task = tasks[list[i]]
      if task then fn(task) end
    end
  end

  -- Whether something outside could wake any waiting task, other than the result of a command. Asked after each event.
  function K.can_be_woken() return outside_count > 0 end

  -- Every coroutine: {coroutine, waiting_for, frames}; and with `locals` those of each frame.
  function K.stacks(limit, locals)
    local out = {}
    K.each_task(function(task)
      if limit and #out >= limit then return end
      local frames, values = {}, locals and {} or nil
      for _, co in raw.ipairs(task.leaf and task.leaf ~= task.co and { task.leaf, task.co } or { task.co }) do
        local found = K.frames(co)
        raw.table.move(found, 1, #found, #frames + 1, frames)
        if locals then
          local here = K.locals(co, #found)
          raw.table.move(here, 1, #here, #values + 1, values)
        end
      end
      local lines = {}
      for i, f in raw.ipairs(frames) do lines[i] = f.source .. ":" .. f.line .. " in " .. f.name end
      K.json_marks[lines] = "array"
      if values then K.json_marks[values] = "array" end
      out[#out + 1] = { coroutine = task.id, waiting_for = task.waiting and task.waiting.what or "ready", frames = lines, locals = values }
    end)
    return out
  end

  -- The script's own coroutine library.
  local coroutine = {}
  coroutine.isyieldable = isyieldable
  -- One that waits in the scheduler is not "suspended": nobody else can resume it.
  function coroutine.status(thread)
    K.check(thread, 1, "status", "thread")
    local is = status(thread)
    return is == "suspended" and scheduled[thread] and "normal" or is
  end

  function coroutine.create(fn)
    K.check(fn, 1, "create", "function")
    return new_coroutine(fn)
  end

  local function is_base()
    return K.current and running() == K.current.co
  end

  local overflowed = raw.setmetatable({}, { __mode = "k" }) -- coroutines that may have ended without hooks (limits.lua)
  local resume_by_script
  local function after_resume(thread, own, pinned, ok, ...)
    limits.thread = own
    if pinned then unyieldable = unyieldable - 1 end
    if not ok then
      if limits.is_overflow(...) then overflowed[thread] = true end
      return limits.guard(ok, ...)
    end
    if (...) == PARK then
      -- The inner coroutine waits: so does the task; what wakes the task goes on inside.
      scheduled[thread] = true
      return resume_by_script(thread, scheduled, yield(PARK))
    end
    if limits.spent then return limits.guard(ok) end
    return ok, ...
  end
  -- `by`: `scheduled` when the scheduler goes on, which alone may resume who waits in it.
  function resume_by_script(thread, by, ...)
    check_question(thread)
    if scheduled[thread] then
      if by ~= scheduled then return false, "cannot resume non-suspended coroutine" end
      scheduled[thread] = nil
    end
    local own = limits.thread
    -- From a sort comparator or a gsub callback nobody can wait, also not in a coroutine that is resumed there.
    if isyieldable() then
      limits.thread = thread
      return after_resume(thread, own, false, resume(thread, ...))
    end
    unyieldable = unyieldable + 1
    limits.thread = thread
    return after_resume(thread, own, true, resume(thread, ...))
  end

  function coroutine.resume(thread, ...)
    if type(thread) ~= "thread" then K.check(thread, 1, "resume", "thread") end
    return resume_by_script(thread, nil, ...)
  end

  local function after_close(own, ...)
    limits.thread = own
    return ...
  end
  local function close(thread)
    if overflowed[thread] then limits.exceed("instructions") end
    local own = limits.thread
    limits.thread = thread
    return after_close(own, co.close(thread))
  end

  local function propagate(thread, ok, ...)
    if ok then return ... end
    if status(thread) == "suspended" and not scheduled[thread] then close(thread) end
    error((...), 0)
  end
  function coroutine.wrap(fn)
    K.check(fn, 1, "wrap", "function")
    local thread = new_coroutine(fn)
    return function(...) return propagate(thread, resume_by_script(thread, nil, ...)) end
  end

  function coroutine.yield(...)
    local task = K.current
    if not task or running() == task.co then K.misuse("attempt to yield from outside a coroutine") end
    return yield(...)
  end

  function coroutine.close(thread)
    K.check(thread, 1, "close", "thread")
    check_question(thread)
    if scheduled[thread] and status(thread) ~= "dead" then K.misuse("cannot close a %s coroutine", coroutine.status(thread)) end
    return limits.guard(close(thread))
  end

  function coroutine.running()
    local thread, main = running()
    return thread, main or is_base() or false
  end

  function coroutine.spawn(fn, ...)
    K.check(fn, 1, "spawn", "function")
    if K.readonly then K.misuse("a query handler or validator cannot spawn coroutines") end
    K.spawn_task(fn, ...)
  end

  K.coroutine = coroutine
  function K.drop_tasks()
    queue, head, tail, tasks = {}, 1, 0, {}
  end
end, "lasts"
