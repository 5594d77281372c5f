-- Ordered iteration. Lua's own order of string keys differs between interpreters, so a replay could not repeat it: here it
-- is 1..n, then other numbers ascending, strings bytewise, booleans, and at most one key of another type.
-- Keys are read when the array part is done: removing while iterating is fine, keys added meanwhile are not visited.
return function(K)
  local raw = K.raw
  local raw_next, type, sort, getmetatable, error = raw.next, raw.type, raw.table.sort, raw.getmetatable, raw.error
  local mathtype, rawget = raw.math.type, raw.rawget

  -- Keys of `t` that are not integers in 1..n, in order, and their number; nil when there are none. Numbers and strings are
  -- sorted apart, by Lua's own order: a comparator would run more or less often by the luck of the hash, and be charged so.
  local function rest(t, n)
    local strings, numbers, no, yes, odd, odd_count = nil, nil, false, false, nil, 0
    local string_count, number_count = 0, 0
    for k in raw_next, t do
      local kind = type(k)
      if kind == "string" then
        strings = strings or {}
        string_count = string_count + 1
        strings[string_count] = k
      elseif kind == "number" then
        if not (mathtype(k) == "integer" and k >= 1 and k <= n) then
          numbers = numbers or {}
          number_count = number_count + 1
          numbers[number_count] = k
        end
      elseif kind == "boolean" then
        if k then yes = true else no = true end
      else
        odd, odd_count = k, odd_count + 1
      end
    end
    if odd_count > 1 then
      error(K.where_prefix() .. "cannot iterate: the table has several keys that are tables, functions or userdata, "
        .. "which have no order that a replay could repeat", 0)
    end
    if string_count > 1 then sort(strings) end
    if number_count > 1 then sort(numbers) end
    if odd == nil and not yes and not no then
      if not numbers then return strings, string_count end
      if not strings then return numbers, number_count end
    end
    local keys, count = numbers or {}, number_count
    for i = 1, string_count do keys[count + i] = strings[i] end
    count = count + string_count
    if no then count = count + 1; keys[count] = false end
    if yes then count = count + 1; keys[count] = true end
    if odd ~= nil then count = count + 1; keys[count] = odd end
    return keys, count
  end

  local function iterate(t)
    local i, keys, count, position = 0, nil, 0, 0
    return function()
      if not keys then
        i = i + 1
        local v = rawget(t, i)
        if v ~= nil then return i, v end
        keys, count = rest(t, i - 1)
        if not keys then
          keys = {}
        end
      end
      while position < count do
        position = position + 1
        local k = keys[position]
        local v = rawget(t, k)
        if v ~= nil then return k, v end
      end
    end
  end

  -- `pairs` that asks no metatable.
  K.raw_pairs = iterate

  function K.pairs(t)
    local meta = getmetatable(t)
    local custom = meta and rawget(meta, "__pairs")
    if custom then
      local f, s, c = custom(t)
      return f, s, c
    end
    if type(t) ~= "table" then
      K.misuse("bad argument #1 to 'for iterator' (table expected, got %s)", type(t))
    end
    return iterate(t), t, nil
  end

  -- `next` by hand: the keys of the table walked last are kept, so that a walk costs one sort, not one a step.
  local walked, walked_keys, walked_count, walked_at
  function K.next(t, key)
    if type(t) ~= "table" then
      K.misuse("bad argument #1 to 'next' (table expected, got %s)", type(t))
    end
    if K.is_sealed(t) then
      K.misuse("cannot iterate a %s", K.class_name(t))
    end
    local n
    if key == nil then
      local first = rawget(t, 1)
      if first ~= nil then return 1, first end
      if raw_next(t) == nil then return nil end
      n = 0
      walked = nil
    elseif mathtype(key) == "integer" and key >= 1 and walked ~= t then
      local v = rawget(t, key + 1)
      if v ~= nil then return key + 1, v end
      n = key
    end
    if n then
      walked_keys, walked_count = rest(t, n)
      walked, walked_at = t, 0
      walked_keys = walked_keys or {}
      walked_count = walked_count or 0
    elseif walked ~= t or walked_keys[walked_at] ~= key then
      local border = 0
      while rawget(t, border + 1) ~= nil do border = border + 1 end
      walked_keys, walked_count = rest(t, border)
      walked_keys, walked_count = walked_keys or {}, walked_count or 0
      walked, walked_at = t, nil
      for position = 1, walked_count do
        if walked_keys[position] == key then walked_at = position end
      end
      if not walked_at then
        K.misuse("invalid key to 'next'")
      end
    end
    while walked_at < walked_count do
      walked_at = walked_at + 1
      local k = walked_keys[walked_at]
      local v = rawget(t, k)
      if v ~= nil then return k, v end
    end
    walked = nil
    return nil
  end

  -- Kernel and module code iterates in the same order, so that no command batch depends on a hash seed.
  _G.pairs, _G.next = K.pairs, K.next
end
