-- Ordered iteration. Lua's own order of string keys differs between interpreters, so a replay could not repeat it: here it
-- is 1..n, then other numbers ascending, strings bytewise, booleans, and at most one key of another type.
-- Keys are read when the array part is done: removing while iterating is fine, keys added meanwhile are not visited.
return function(K)
  local raw = K.raw
  local raw_next, type, sort, getmetatable, error = raw.next, raw.type, raw.table.sort, raw.getmetatable, raw.error
  local mathtype, rawget = raw.math.type, raw.rawget
  local NONE = {}

  -- Numbers and strings are sorted apart, by Lua's own order: a comparator would run more or less often by the luck of the hash,
  -- and be charged so.
  local FEW = 16 -- keys whose sorting is not charged
  local function sorted(keys, count)
    if count > FEW then K.limits.note(K.sorting_cost(keys, count)) end
    if count > 1 then sort(keys) end
    return keys
  end

  local function too_odd()
    error(K.where_prefix() .. "cannot iterate: the table has several keys that are tables, functions or userdata, "
      .. "which have no order that a replay could repeat", 0)
  end

  -- Keys of several kinds, in order, and their number.
  local function mixed(t, n)
    local strings, numbers, no, yes, odd = {}, {}, false, false, nil
    local string_count, number_count = 0, 0
    for k in raw_next, t do
      local kind = type(k)
      if kind == "string" then
        string_count = string_count + 1
        strings[string_count] = k
      elseif kind == "number" then
        if mathtype(k) ~= "integer" or k < 1 or k > n then
          number_count = number_count + 1
          numbers[number_count] = k
        end
      elseif kind == "boolean" then
        if k then yes = true else no = true end
      else
        if odd ~= nil then too_odd() end
        odd = k
      end
    end
    sorted(strings, string_count)
    local keys, count = sorted(numbers, number_count), number_count
    for i = 1, string_count do keys[count + i] = strings[i] end
    count = count + string_count
    if no then count = count + 1; keys[count] = false end
    if yes then count = count + 1; keys[count] = true end
    if odd ~= nil then count = count + 1; keys[count] = odd end
    return keys, count
  end

  -- The last of 1..n that Lua's own order begins with, which is all of them where Lua keeps them as an array.
  local function run(t)
    local last = 0
    for k in raw_next, t do
      local expected = last + 1
      if k ~= expected then break end
      last = expected
    end
    return last
  end

  -- Keys of `t` that are not integers in 1..n, in order, and their number. Most tables have strings there, or nothing.
  local function rest(t, n)
    local last
    if n > 0 then
      last = run(t)
      if last < n then return mixed(t, n) end
    end
    local first = raw_next(t, last)
    if first == nil then return nil, 0 end
    local keys, count = { nil, nil, nil, nil }, 0
    for k in raw_next, t, last do
      if type(k) ~= "string" then return mixed(t, n) end
      count = count + 1
      keys[count] = k
    end
    return sorted(keys, count), count
  end

  -- `next` by hand: the keys of the table walked last are kept, so that a walk costs one sort, not one a step. Those of other
  -- walks that have not ended are kept aside: another table may be walked in between, and another coroutine may walk the same one.
  local MOST = 256 -- walks aside, of those begun lately
  local limits = K.limits
  local walked, walked_keys, walked_at, walked_by
  local aside, older, count -- table -> { keys, at, by, another walk of it }
  K.anew(function()
    walked, walked_keys, walked_at, walked_by = nil, nil, nil, nil
    aside, older, count = {}, {}, 0
  end)

  local function keep(t, keys, at)
    local left = walked
    if left then
      if count >= MOST then aside, older, count = {}, aside, 0 end
      aside[left] = { walked_keys, walked_at, walked_by, aside[left] }
      count = count + 1
    end
    walked, walked_keys, walked_at, walked_by = t, keys, at, limits.thread
  end

  -- A walk of `t` that this coroutine has set aside, at `key`, or wherever it is: it is there no more.
  local function taken_from(walks, t, key)
    local walk, before = walks[t], nil
    while walk and (walk[3] ~= limits.thread or key ~= nil and walk[1][walk[2]] ~= key) do walk, before = walk[4], walk end
    if not walk then return nil end
    if before then before[4] = walk[4] else walks[t] = walk[4] end
    return walk
  end

  -- Goes on with a walk that was set aside; whether there is one.
  local function take_up(t, key)
    local walk = aside[t] and taken_from(aside, t, key) or older[t] and taken_from(older, t, key)
    if not walk then return false end
    keep(t, walk[1], walk[2])
    return true
  end

  local function check_next(t)
    if type(t) ~= "table" then
      K.misuse("bad argument #1 to 'next' (table expected, got %s)", type(t))
    end
    if K.is_sealed(t) then
      K.misuse("cannot iterate a %s", K.class_name(t))
    end
  end

  -- Finds the place of a key among those after 1..n.
  local function find_place(t, key)
    local border = 0
    while rawget(t, border + 1) ~= nil do border = border + 1 end
    local keys = rest(t, border) or {}
    for position = 1, #keys do
      if keys[position] == key then return keep(t, keys, position) end
    end
    K.misuse("invalid key to 'next'")
  end

  -- The next of the keys that are kept.
  local function go_on(t)
    while true do
      walked_at = walked_at + 1
      local k = walked_keys[walked_at]
      if k == nil then
        walked = nil
        return nil
      end
      local v = rawget(t, k)
      if v ~= nil then return k, v end
    end
  end

  -- Where a walk begins. Whoever looks whether a table is empty disturbs no other walk, if it has one key at most.
  local function begin(t)
    if walked == t and walked_by == limits.thread then walked = nil end
    local v = rawget(t, 1)
    if v ~= nil then return 1, v end
    local first = raw_next(t)
    if first == nil then return nil end
    if raw_next(t, first) == nil then return first, rawget(t, first) end
    if aside[t] then taken_from(aside, t) end
    keep(t, rest(t, 0), 0)
    return go_on(t)
  end

  function K.next(t, key)
    if walked == t and key ~= nil and walked_keys[walked_at] == key and walked_by == limits.thread then return go_on(t) end
    if getmetatable(t) ~= nil or type(t) ~= "table" then check_next(t) end
    if key == nil then return begin(t) end
    if mathtype(key) == "integer" and key >= 1 then
      local v = rawget(t, key + 1)
      if v ~= nil then return key + 1, v end
      local keys = rest(t, key)
      if not keys then return nil end
      keep(t, keys, 0)
    elseif not take_up(t, key) then
      find_place(t, key)
    end
    return go_on(t)
  end

  -- Lets a question walk without a trace: gives what brings the walks back that it comes into.
  function K.set_walk_aside()
    local t, keys, at, by, now, before, n = walked, walked_keys, walked_at, walked_by, aside, older, count
    walked, aside, older, count = nil, {}, {}, 0
    return function()
      walked, walked_keys, walked_at, walked_by, aside, older, count = t, keys, at, by, now, before, n
    end
  end

  -- A walk has a state of its own, so that nothing else that is walked meanwhile changes it.
  local function walk()
    local i, keys = 0, nil
    return function(t)
      local list, at = keys, i + 1
      if not list then
        local v = rawget(t, at)
        if v ~= nil then
          i = at
          return at, v
        end
        list = rest(t, i) or NONE
        keys, at = list, 1
      end
      local k = list[at]
      while k ~= nil do
        local v = rawget(t, k)
        if v ~= nil then
          i = at
          return k, v
        end
        at = at + 1
        k = list[at]
      end
    end
  end

  -- The same for a table without a metatable, where indexing is as good as rawget.
  local function plain_walk()
    local i, keys = 0, nil
    return function(t)
      local list, at = keys, i + 1
      if not list then
        local v = t[at]
        if v ~= nil then
          i = at
          return at, v
        end
        list = rest(t, i) or NONE
        keys, at = list, 1
      end
      local k = list[at]
      while k ~= nil do
        local v = t[k]
        if v ~= nil then
          i = at
          return k, v
        end
        at = at + 1
        k = list[at]
      end
    end
  end

  -- One that needs no state: of a table that had at most one key when `pairs` was called. Should it have more by now, it is `next`.
  local function few(t, key)
    if key ~= nil then
      if walked == t and walked_keys[walked_at] == key then return K.next(t, key) end
      return nil
    end
    local first = raw_next(t)
    if first == nil then return nil end
    if raw_next(t, first) ~= nil then return K.next(t) end
    return first, rawget(t, first)
  end

  local function iterate(t, plain)
    local first = raw_next(t)
    if first == nil or raw_next(t, first) == nil then return few end
    return plain and plain_walk() or walk()
  end

  -- `pairs` that asks no metatable.
  function K.raw_pairs(t) return iterate(t), t, nil end

  function K.pairs(t)
    local meta = getmetatable(t)
    if meta ~= nil then
      local custom = rawget(meta, "__pairs")
      if custom then
        local f, s, c = custom(t)
        return f, s, c
      end
    end
    if type(t) ~= "table" then
      K.misuse("bad argument #1 to 'for iterator' (table expected, got %s)", type(t))
    end
    return iterate(t, meta == nil), t, nil
  end
end, "lasts"
