-- Work whose instructions do not count. What is remembered (the form of a pattern, what is known of a text) must not show in
-- the count of a step: a query may have asked before, or the collector taken it away. So it is done in a coroutine that has no
-- hook, and the caller sees one call of a C function, whether it took long or not. It must end soon by itself.
return function(K)
  local raw = K.raw
  local co, pcall, limits = raw.coroutine, raw.pcall, K.limits

  local function answer(ok, first, ...)
    if ok then return first, ... end
    if first == "not enough memory" then limits.spend("memory") end
    return nil, first
  end

  -- `work` as a function that answers as it does with up to two values, or with nil and the error. To be made when a file is
  -- loaded. What it was given last stays on its stack until it is called again: for the next program it is called for nothing.
  local NOTHING = {}
  return function(work)
    local function next_of(given, ...)
      if given == NOTHING then return co.yield() end
      return co.yield(answer(pcall(work, given, ...)))
    end
    local unseen = co.wrap(function(a, b, c)
      while true do a, b, c = next_of(a, b, c) end
    end)
    K.anew(function() unseen(NOTHING) end)
    return unseen
  end
end, "lasts"
