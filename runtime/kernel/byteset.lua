-- Sets of bytes, as Lua patterns write them (`%a`, `.`, `[^,]`): four integers of 64 bits each. What a class holds is written
-- down here, since it is the C locale's everywhere (runtime/lua/locales.py) and asking Lua 256 times for each costs a new run dearly.
return function(K)
  local raw = K.raw
  local string, concat = raw.string, raw.table.concat
  local byte, char, format = string.byte, string.char, string.format

  local CLASSES = {
    a = { 0x0, 0x7fffffe07fffffe, 0x0, 0x0 },
    c = { 0xffffffff, 0x8000000000000000, 0x0, 0x0 },
    d = { 0x3ff000000000000, 0x0, 0x0, 0x0 },
    g = { 0xfffffffe00000000, 0x7fffffffffffffff, 0x0, 0x0 },
    l = { 0x0, 0x7fffffe00000000, 0x0, 0x0 },
    p = { 0xfc00fffe00000000, 0x78000001f8000001, 0x0, 0x0 },
    s = { 0x100003e00, 0x0, 0x0, 0x0 },
    u = { 0x0, 0x7fffffe, 0x0, 0x0 },
    w = { 0x3ff000000000000, 0x7fffffe07fffffe, 0x0, 0x0 },
    x = { 0x3ff000000000000, 0x7e0000007e, 0x0, 0x0 },
    z = { 0x1, 0x0, 0x0, 0x0 },
  }

  local Set = { FULL = { -1, -1, -1, -1 } }

  function Set.complement(a) return { ~a[1], ~a[2], ~a[3], ~a[4] } end
  function Set.union(a, b) return { a[1] | b[1], a[2] | b[2], a[3] | b[3], a[4] | b[4] } end
  function Set.without(a, b) return { a[1] & ~b[1], a[2] & ~b[2], a[3] & ~b[3], a[4] & ~b[4] } end
  function Set.meets(a, b) return (a[1] & b[1]) | (a[2] & b[2]) | (a[3] & b[3]) | (a[4] & b[4]) ~= 0 end
  function Set.is_full(a) return a[1] & a[2] & a[3] & a[4] == -1 end
  function Set.has(a, code) return a[(code >> 6) + 1] >> (code & 63) & 1 == 1 end

  local function add(a, first, last)
    for code = first, last do
      local word = (code >> 6) + 1
      a[word] = a[word] | 1 << (code & 63)
    end
  end

  function Set.of(first, last)
    local set = { 0, 0, 0, 0 }
    add(set, first, last or first)
    return set
  end

  -- What `%x` stands for, by the code of the letter; a class, its opposite, or the character itself.
  function Set.escaped(code)
    local letter = char(code)
    local class = CLASSES[letter]
    if class then return class end
    class = code >= 65 and code <= 90 and CLASSES[string.lower(letter)]
    if class then return Set.complement(class) end
    return Set.of(code)
  end

  -- The set in brackets whose "[" is at `p` and whose "]" is at `last`.
  function Set.bracketed(pattern, p, last)
    local set = { 0, 0, 0, 0 }
    p = p + 1
    local inverted = byte(pattern, p) == 94
    if inverted then p = p + 1 end
    while p < last do
      local code = byte(pattern, p)
      if code == 37 then -- %
        set = Set.union(set, Set.escaped(byte(pattern, p + 1)))
        p = p + 2
      elseif byte(pattern, p + 1) == 45 and p + 2 < last then -- a-z
        add(set, code, byte(pattern, p + 2))
        p = p + 3
      else
        add(set, code, code)
        p = p + 1
      end
    end
    return inverted and Set.complement(set) or set
  end

  -- Calls `each(first, last)` for every stretch of codes in the set, ascending.
  local function stretches(set, each)
    local first
    for code = 0, 256 do
      local is = code < 256 and Set.has(set, code)
      if is and not first then
        first = code
      elseif not is and first then
        each(first, code - 1)
        first = nil
      end
    end
  end

  -- A character that stands for itself.
  local function quoted(code)
    local letter = char(code)
    return string.find(letter, "%p") and "%" .. letter or letter
  end

  Set.quoted = quoted

  -- The set as a Lua pattern's, as short as it gets.
  function Set.as_lua(set)
    if Set.is_full(set) then return "." end
    local parts = { "[" }
    stretches(set, function(first, last)
      -- The ends of a range are taken as they are, so none may be a character with a meaning.
      while last - first > 1 and string.find(char(first), "%p") do
        parts[#parts + 1], first = quoted(first), first + 1
      end
      local behind = {}
      while last - first > 1 and string.find(char(last), "%p") do
        behind[#behind + 1], last = quoted(last), last - 1
      end
      parts[#parts + 1] = last - first > 1 and char(first, 45, last) or quoted(first) .. (last > first and quoted(last) or "")
      for i = 1, #behind do parts[#parts + 1] = behind[i] end
    end)
    if #parts == 1 then return "[^\0-\255]" end
    return concat(parts) .. "]"
  end

  -- The set as RE2 has it.
  function Set.as_regex(set)
    local parts = {}
    stretches(set, function(first, last)
      parts[#parts + 1] = first == last and format("\\x%02x", first) or format("\\x%02x-\\x%02x", first, last)
    end)
    if #parts == 0 then return "[^\\x00-\\xff]" end
    return "[" .. concat(parts) .. "]"
  end

  return Set
end, "lasts"
