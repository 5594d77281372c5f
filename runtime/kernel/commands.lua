-- On first use of: cancellation is_cancelled_here emit_line emit drop_commands take_commands command on_done await request cancel apply_result apply_failure has_pending cancel_all
-- Commands out, results in: everything a script asks of the world is a numbered command with at most one result.
return function(K)
  local raw = K.raw
  local type, next, getmetatable, mathtype = raw.type, raw.next, raw.getmetatable, raw.math.type
  local find, concat = raw.string.find, raw.table.concat
  local kinds = K.kinds

  local seq
  local pending -- seq -> pending command
  local out -- commands of this step
  local lines -- which of them are log lines
  local out_bytes, out_lines, log_bytes, outstanding
  -- What a step may hand over, and a run have outstanding, at most: the host holds it in its own memory.
  local MAX_COMMANDS, MAX_BYTES, MAX_OUTSTANDING = 10000, 16 * 1024 * 1024, 50000
  local MAX_LINES, MAX_LINE_BYTES, MAX_LOG_BYTES = 2000, 64 * 1024, 4 * 1024 * 1024
  local run = {} -- cancellation of the whole run
  K.cancellation = run
  local callback_detached
  K.anew(function()
    seq, pending, out, lines = 0, {}, {}, {}
    out_bytes, out_lines, log_bytes, outstanding = 0, 0, 0, 0
    run.cancelled, run.trapped, run.reason = false, false, nil
    callback_detached = false
  end)

  -- Commands that cancellation of the run takes back, and that are refused once the run is cancelled.
  local function is_blocking(op)
    return op ~= "send" and op ~= "attrs" and op ~= "terminate" and op ~= "cancel_process"
  end

  -- Whether what is done now is shielded: by its task or, in a callback, by the command that calls back.
  local function detached_here()
    if K.current then return K.current.detached > 0 end
    return callback_detached
  end

  function K.is_cancelled_here()
    return run.cancelled and not run.trapped and not detached_here()
  end

  local function put(text)
    if #out >= MAX_COMMANDS or out_bytes + #text > MAX_BYTES or outstanding > MAX_OUTSTANDING then
      K.limits.exceed("commands")
    end
    out_bytes = out_bytes + #text
    out[#out + 1] = text
    return true
  end

  -- Commands are written as JSON when they are given, so that a name that has no JSON form fails at the script's line.
  local function write(command)
    local text, problem = K.json_text(command)
    if not text then return K.invalid("%s: %s", command.op, problem) end
    return put(text)
  end

  -- A text between the quotes of JSON, or nil where it is not its own JSON; a whole number as it is.
  local PLAIN = "^[]-~ !#-[]*$"
  local function quoted(value)
    if type(value) == "string" and find(value, PLAIN) then return '"' .. value .. '"' end
    return mathtype(value) == "integer" and value or nil
  end

  -- What most commands consist of: these fields, in this order, where there are no others, and no options. Nil for any other.
  local COMMON = { call = { "id" }, timer = { "ns" }, send = { "to", "topic" } }
  local function common_text(op, fields, number, at, indexes)
    local names = COMMON[op]
    at = names and quoted(at)
    if not at then return nil end
    local text = '{"op":"' .. op .. '","seq":' .. number .. ',"at":' .. at
    local left = fields.at and -1 or 0
    for _ in next, fields do left = left + 1 end
    for i = 1, #names do
      local value = quoted(fields[names[i]])
      if not value then return nil end
      text = text .. ',"' .. names[i] .. '":' .. value
    end
    left = left - #names
    if indexes then
      text = text .. ',"args":[' .. concat(indexes, ",") .. "]"
      left = left - 1
    end
    local options = fields.options
    if type(options) == "table" and next(options) == nil and getmetatable(options) == nil then
      text = text .. ',"options":{}'
      left = left - 1
    end
    return left == 0 and text .. "}" or nil
  end

  local function write_any(op, fields, number, at, indexes)
    local command = { op = op }
    for key, value in next, fields do command[key] = value end
    command.args, command.seq, command.at = indexes, number, at
    return write(command)
  end

  -- A log line. Those above a step's share are dropped, and the last one says so.
  function K.emit_line(command)
    if out_lines > MAX_LINES or log_bytes > MAX_LOG_BYTES then return end
    if #command.message > MAX_LINE_BYTES then
      command.message = K.plain(raw.string.sub(command.message, 1, MAX_LINE_BYTES) .. "...")
    end
    local fields = K.json_text(command.fields)
    if not fields or #fields > MAX_LINE_BYTES then command.fields = K.object({ dropped = "the fields are too large" }) end
    out_lines, log_bytes = out_lines + 1, log_bytes + #command.message + (fields and #fields or 0)
    if out_lines > MAX_LINES or log_bytes > MAX_LOG_BYTES then
      command.level, command.message, command.fields = "warn", "too much is logged in one step: the rest is dropped", K.object({})
    end
    if K.emit(command) then lines[#out] = true end
  end

  -- A command without a result.
  function K.emit(command)
    if K.readonly then K.misuse("a query handler or validator cannot use '%s'", K.known_as(command.op)) end
    command.at = command.at or K.where()
    return write(command)
  end

  -- What an execution that spent a limit had asked for in its last step is not begun any more; what it logged is kept.
  function K.drop_commands()
    local kept = {}
    for i = 1, #out do
      if lines[i] then kept[#kept + 1] = out[i] end
    end
    out, lines = kept, {}
  end

  function K.take_commands()
    local taken = out
    out, lines, out_bytes, out_lines, log_bytes = {}, {}, 0, 0, 0
    return taken
  end

  local function finish(p, ok, value, err)
    p.done, p.ok, p.value, p.err = true, ok, value, err
    if pending[p.seq or false] then outstanding = outstanding - 1 end
    pending[p.seq or false] = nil
    local waiters, callbacks = p.waiters, p.callbacks
    p.waiters, p.callbacks = nil, nil
    if callbacks then
      local outer = callback_detached
      callback_detached = p.detached
      for i = 1, #callbacks do callbacks[i](value, err) end
      callback_detached = outer
    end
    if waiters then
      for i = 1, #waiters do K.wake(waiters[i]) end
    end
  end

  -- A command that is over before it began, so that callers need no second way.
  local function settled(err)
    return { done = true, ok = false, err = err }
  end

  -- Whether a cancelled command waits for the host's word: as its options say, else as the called entry does.
  local function waits_for(op, fields)
    local said = type(fields.options) == "table" and fields.options.wait_for_cancellation
    if type(said) == "boolean" then return said end
    if (op == "call" or op == "exec") and K.boot.waits then
      for i = 1, #K.boot.waits do
        if K.boot.waits[i] == fields.id then return true end
      end
    end
    return false
  end

  -- Sends a command. `fields.args` (packed Lua values) become payloads. Always answers a pending; one that could not be
  -- sent is done, with its error.
  function K.command(op, fields)
    if K.readonly then K.misuse("a query handler or validator cannot use '%s'", K.known_as(op)) end
    if K.loading then K.misuse("the body of a file cannot use '%s': return a function that does", K.known_as(op)) end
    if is_blocking(op) and K.is_cancelled_here() then return settled(K.canceled()) end
    local indexes
    if fields.args then
      local err
      indexes, err = K.blobs_of(fields.args)
      if not indexes then return settled(err) end
    end
    local at = fields.at or K.where()
    local text, written, problem = common_text(op, fields, seq + 1, at, indexes), nil, nil
    if text then written = put(text) else written, problem = write_any(op, fields, seq + 1, at, indexes) end
    if not written then return settled(problem) end
    seq = seq + 1
    local p = {
      seq = seq, op = op, at = at, done = false, detached = detached_here(),
      waits = waits_for(op, fields),
    }
    pending[seq] = p
    outstanding = outstanding + 1
    return p
  end

  function K.on_done(p, fn)
    if p.done then
      fn(p.value, p.err)
      return
    end
    p.callbacks = p.callbacks or {}
    p.callbacks[#p.callbacks + 1] = fn
  end

  function K.await(p)
    if not p.done then
      K.must_be_able_to_wait()
      p.waiters = p.waiters or {}
      p.waiters[#p.waiters + 1] = K.current
      K.park({ what = (p.op or "command") .. " " .. (p.seq or "") })
    end
    if p.ok then return p.value end
    K.unheard(K.arrived(p.err), p.op)
    return nil, p.err
  end

  function K.request(op, fields) return K.await(K.command(op, fields)) end

  -- Gives a command up. Its outcome is CANCELED at once, unless it asked to wait for the host's word.
  function K.cancel(p, err)
    if p.done then return false end
    p.canceled = true
    write({ op = "cancel", seq = p.seq })
    if not p.waits then finish(p, false, nil, err or K.canceled()) end
    return true
  end

  -- The outcome of a command; of one that was cancelled earlier nobody wants to know.
  function K.apply_failure(number, wire)
    local p = pending[number]
    if p then finish(p, false, nil, K.error_from_wire(wire)) end
  end
  function K.apply_result(number, encoding, bytes)
    local p = pending[number]
    if not p then return end
    local value, problem = K.decode(encoding, bytes)
    if problem then
      finish(p, false, nil, K.error({ kind = kinds.INVALID, message = problem, retryable = false }))
    else
      p.payload = { encoding, bytes }
      finish(p, true, value)
    end
  end

  local function sorted_pending()
    local list = {}
    for number in raw.next, pending do list[#list + 1] = number end
    raw.table.sort(list)
    return list
  end

  function K.has_pending() return outstanding > 0 end

  -- Untrapped cancellation: whatever waits is given up, except what compensation does.
  function K.cancel_all()
    run.cancelled = true
    -- Readers first: a cancelled timer closes its channel, and whoever reads that is to hear of the cancellation instead.
    K.each_task(function(task)
      local waiting = task.waiting
      if waiting and waiting.cancel and task.detached == 0 then waiting.cancel(task) end
    end)
    local list = sorted_pending()
    for i = 1, #list do
      local p = pending[list[i]]
      if p and not p.detached and is_blocking(p.op) then K.cancel(p) end
    end
  end
end, "lasts"
