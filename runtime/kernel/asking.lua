-- On first use of: ask ordinal_of_question forget_question
-- Questions: no commands, no waiting, and nothing changed by them.
return function(K)
  local raw = K.raw
  local limits, co = K.limits, raw.coroutine

  -- What a question numbers, and where it walks, goes with it: a replay is not asked it.
  local ordinals, count, go_back
  K.anew(function() ordinals, count, go_back = nil, 0, nil end)
  local function begin()
    K.readonly = true
    ordinals, count, go_back = {}, 0, K.set_walk_aside()
  end
  function K.forget_question()
    K.readonly = false
    if go_back then go_back() end
    ordinals, go_back = nil, nil
  end
  -- `before` is the last number that the program itself has given.
  function K.ordinal_of_question(value, before)
    local n = ordinals[value]
    if not n then
      count = count + 1
      n = before + count
      ordinals[value] = n
    end
    return n
  end

  local function answered(fn)
    limits.begin(false)
    begin()
    local thread = co.create(fn)
    limits.watch(thread)
    local ok, value, problem = co.resume(thread)
    local answer
    if not ok and value == "not enough memory" then
      limits.spend("memory")
    elseif ok and not limits.spent then
      ok, answer = limits.sheltered(K.finished, value, problem)
      if not ok then value = answer end
    end
    if not ok and not limits.spent then
      answer = K.failed_safely(value, K.frames(thread))
    end
    K.forget_question()
    if limits.spent then
      answer = K.spent(true)
      limits.spent = nil
    end
    return answer
  end

  -- `kind` is "query" or "validate"; arguments are `encoding, bytes` each.
  function K.ask(kind, name, ...)
    local flat, args = { ... }, {}
    local n = #flat // 2
    for i = 1, n do args[i] = K.decode(flat[2 * i - 1], flat[2 * i]) end
    local answer = kind == "query" and K.answer_query or K.validate_update
    return answered(function() return answer(name, raw.table.unpack(args, 1, n)) end)
  end
end, "lasts"
