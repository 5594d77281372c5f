-- The string functions over a matcher other than Lua's own. It gives matches one after the other, never an empty one where the
-- one before it ended: `next()` start and end (behind it), `count()` its captures, `value(n)` one of them; with no captures the
-- first is the match.
return function(K)
  local raw = K.raw
  local type, sub, concat, unpack = raw.type, raw.string.sub, raw.table.concat, raw.table.unpack
  local matches = {}

  local function captures(found, whole)
    local count = found.count()
    if count == 0 and whole then count = 1 end
    if count == 1 then return found.value(1) end
    local values = {}
    for n = 1, count do values[n] = found.value(n) end
    return unpack(values, 1, count)
  end

  function matches.find(found)
    local first, behind = found.next()
    if not first then return nil end
    return first, behind - 1, captures(found, false)
  end

  function matches.match(found)
    if not found.next() then return nil end
    return captures(found, true)
  end

  function matches.gmatch(found)
    return function()
      if not found.next() then return nil end
      return captures(found, true)
    end
  end

  -- What a match is replaced by, as a function of its place.
  local function by_text(found, s, replacement)
    if not raw.string.find(replacement, "%", 1, true) then return function() return replacement end end
    return function(first, behind)
      return (raw.string.gsub(replacement, "%%(.?)", function(code)
        if code == "%" then return "%" end
        if code == "0" then return sub(s, first, behind - 1) end
        if not raw.string.find(code, "^%d$") then K.misuse("invalid use of '%' in replacement string") end
        return found.value(raw.math.tointeger(code))
      end))
    end
  end
  local function by_value(found, s, ask)
    return function(first, behind)
      local value = ask(found)
      if not value then return sub(s, first, behind - 1) end
      local kind = type(value)
      if kind == "number" then return K.tostring(value) end
      if kind ~= "string" then K.misuse("invalid replacement value (a %s)", kind) end
      return value
    end
  end

  local function replacer(found, s, replacement)
    local kind = type(replacement)
    if kind == "string" then return by_text(found, s, replacement) end
    if kind == "table" then return by_value(found, s, function() return replacement[found.value(1)] end) end
    if kind == "function" then return by_value(found, s, function() return replacement(captures(found, true)) end) end
    local got = replacement == nil and "no value" or K.type(replacement)
    K.misuse("bad argument #3 to 'gsub' (string/function/table expected, got %s)", got)
  end

  function matches.gsub(found, s, replacement, limit)
    local replaced = replacer(found, s, replacement)
    if limit ~= nil then
      local number = raw.tonumber(limit)
      K.check(number or limit, 4, "gsub", number and "integer" or "number")
      limit = raw.math.tointeger(number)
    end
    limit = limit or #s + 1
    local out, count, done = {}, 0, 1
    while count < limit do
      local first, behind = found.next()
      if not first then break end
      count = count + 1
      out[#out + 1] = sub(s, done, first - 1)
      out[#out + 1] = replaced(first, behind)
      done = behind
    end
    if count == 0 then return s, 0 end
    out[#out + 1] = sub(s, done)
    local result = concat(out)
    K.limits.charge(#result // 32)
    return result, count
  end

  return matches
end, "lasts"
