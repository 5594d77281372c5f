-- table.sort without its die: on large arrays Lua's own quicksort picks pivots by the clock once a partition is lopsided, so
-- the order of equal elements, and how often the comparator runs, could differ in a replay. This one merges: the same calls
-- every time, equal elements stay in order, and a comparator may wait.
return function(K)
  local raw = K.raw
  local type, mathtype, sort = raw.type, raw.math.type, raw.table.sort
  local charge = K.limits.charge
  local SMALL = 100 -- up to here Lua's own sort never rolls its die (RANLIMIT in ltablib.c)
  local RUN = 8

  local function less(a, b) return a < b end

  -- Strings, or integers, that compare equal are the same: any way of sorting them gives the same array.
  local function is_plain(t, n)
    local kind = type(t[1])
    if kind == "string" then
      for i = 2, n do
        if type(t[i]) ~= "string" then return false end
      end
      return true
    end
    for i = 1, n do
      if mathtype(t[i]) ~= "integer" then return false end
    end
    return true
  end

  local function insertion(a, first, last, before)
    for i = first + 1, last do
      local value, j = a[i], i - 1
      while j >= first and before(value, a[j]) do
        a[j + 1] = a[j]
        j = j - 1
      end
      a[j + 1] = value
    end
  end

  local function merge(from, to, first, middle, last, before)
    local i, j = first, middle + 1
    for k = first, last do
      if i <= middle and (j > last or not before(from[j], from[i])) then
        to[k] = from[i]
        i = i + 1
      else
        to[k] = from[j]
        j = j + 1
      end
    end
  end

  local function merge_sort(a, n, before)
    local least = raw.math.min
    for first = 1, n, RUN do insertion(a, first, least(first + RUN - 1, n), before) end
    local from, to, width = a, {}, RUN
    while width < n do
      for first = 1, n, 2 * width do
        merge(from, to, first, least(first + width - 1, n), least(first + 2 * width - 1, n), before)
      end
      from, to, width = to, from, 2 * width
    end
    return from
  end

  return function(t, n, before)
    if not before and raw.getmetatable(t) == nil then charge(K.sorting_cost(t, n)) end
    if n <= SMALL or (not before and raw.getmetatable(t) == nil and is_plain(t, n)) then
      return sort(t, before)
    end
    local copy = {}
    for i = 1, n do copy[i] = t[i] end
    local sorted = merge_sort(copy, n, before or less)
    for i = 1, n do t[i] = sorted[i] end
  end
end, "lasts"
