-- On first use of: unheard
-- Errors that nobody hears: a script whose call takes too few results to see its error is told so in the log, once at each place.
-- Which calls these are, the host has read in the scripts; it is asked when the first error is there.
return function(K)
  local raw = K.raw
  local getinfo, sub, tostring = raw.getinfo, raw.string.sub, raw.tostring
  local PASSED, DEEPEST = "passed", 1000

  local told
  K.anew(function() told = {} end)

  -- The call that drops the error which is about to be returned, {label, results taken}, and its place; nil when somebody sees it.
  -- A call in tail position passes its results on to who called its function.
  local function dropped_by()
    local level, passed = 3, false
    while level < DEEPEST do
      local info = getinfo(level, "Sl")
      if not info then return nil end
      if K.is_script(info) then
        local lines = K.boot.unheard[sub(info.source, 2)]
        local calls = lines and lines[tostring(info.currentline)]
        local call = calls and calls[getinfo(level - 1, "n").name or false]
        if call ~= PASSED then return call, info.short_src .. ":" .. info.currentline end
        passed = true
      elseif passed then
        return nil
      end
      level = level + 1
    end
  end

  -- To be called where a function of the API is about to return `err`. That a run is cancelled is no refusal, and that there is
  -- nothing of a name is what nil says, where it is not what was to be started.
  function K.unheard(err, op)
    if K.readonly then return end
    local kind = err:kind()
    if kind == K.kinds.CANCELED then return end
    local call, place = dropped_by()
    if not call or told[place] then return end
    local starts = op == "call" or op == "exec" or op == "spawn" or op == "send"
    if call[2] == 1 and kind == K.kinds.NOT_FOUND and not starts then return end
    told[place] = true
    K.emit_line({ op = "log", level = "warn", at = place, fields = K.object({}), logger = "unheard",
      message = K.plain("nobody looks at the error of " .. call[1] .. ": " .. K.tostring(err)
        .. "; take its second result: local " .. (call[2] == 0 and "_" or "value") .. ", err = " .. call[1] .. "(…)") })
  end
end, "lasts"
