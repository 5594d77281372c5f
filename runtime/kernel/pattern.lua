-- Lua patterns as an ordinary Lua program, so that the instruction budget ends a match that would take for ever. Used only
-- where Lua's own matcher, which runs in C out of the hook's sight, could take long: it is some thirty times slower.
-- Semantics are those of the reference manual, §6.4.1; failures have the texts of Lua's own.
return function(K)
  local raw = K.raw
  local string = raw.string
  local byte, sub = string.byte, string.sub
  local MAX_DEPTH, MAX_CAPTURES = 200, 32
  local ESC = 37 -- %

  local function fail(text, ...) K.misuse(text, ...) end

  local Set = K.use("kernel/byteset")
  local CLASSES = {}
  for code = 0, 255 do
    local letter = string.char(code)
    if string.find(letter, "%a") then CLASSES[code] = Set.escaped(code) end
  end

  local function class_has(c, letter)
    local members = CLASSES[letter]
    if members then return Set.has(members, c) end
    return letter == c
  end

  -- Position after the single-character class that begins at `p`.
  local function class_end(pat, p)
    local c = byte(pat, p)
    p = p + 1
    if c == ESC then
      if p > #pat then fail("malformed pattern (ends with '%')") end
      return p + 1
    elseif c == 91 then
      if byte(pat, p) == 94 then p = p + 1 end
      repeat
        if p > #pat then fail("malformed pattern (missing ']')") end
        local d = byte(pat, p)
        p = p + 1
        if d == ESC then p = p + 1 end
      until byte(pat, p) == 93
      return p + 1
    end
    return p
  end

  local function set_has(c, pat, p, last) -- p at '[', last at ']'
    local is = true
    p = p + 1
    if byte(pat, p) == 94 then
      is = false
      p = p + 1
    end
    while p < last do
      local d = byte(pat, p)
      if d == ESC then
        if class_has(c, byte(pat, p + 1)) then return is end
        p = p + 2
      elseif byte(pat, p + 1) == 45 and p + 2 < last then
        if d <= c and c <= byte(pat, p + 2) then return is end
        p = p + 3
      else
        if d == c then return is end
        p = p + 1
      end
    end
    return not is
  end

  local function single(m, s, p, ep)
    local c = byte(m.src, s)
    if not c then return false end
    local d = byte(m.pat, p)
    if d == 46 then return true end
    if d == ESC then return class_has(c, byte(m.pat, p + 1)) end
    if d == 91 then return set_has(c, m.pat, p, ep - 1) end
    return d == c
  end

  local match

  local function open_capture(m)
    for level = m.level, 1, -1 do
      if m.lengths[level] == "open" then return level end
    end
    fail("invalid pattern capture")
  end

  local function capture_index(m, digit)
    local level = digit - 48
    if level < 1 or level > m.level or m.lengths[level] == "open" then fail("invalid capture index %%%d", level) end
    return level
  end

  local function balance(m, s, p)
    local open, close = byte(m.pat, p, p + 1)
    if not close then fail("malformed pattern (missing arguments to '%b')") end
    if byte(m.src, s) ~= open then return nil end
    local depth, i = 1, s + 1
    while i <= #m.src do
      local c = byte(m.src, i)
      if c == close then
        depth = depth - 1
        if depth == 0 then return i + 1 end
      elseif c == open then
        depth = depth + 1
      end
      i = i + 1
    end
  end

  local function maximum(m, s, p, ep)
    local i = 0
    while single(m, s + i, p, ep) do i = i + 1 end
    while i >= 0 do
      local e = match(m, s + i, ep + 1)
      if e then return e end
      i = i - 1
    end
  end

  local function minimum(m, s, p, ep)
    while true do
      local e = match(m, s, ep + 1)
      if e then return e end
      if not single(m, s, p, ep) then return nil end
      s = s + 1
    end
  end

  local function capture(m, s, p, length)
    if m.level >= MAX_CAPTURES then fail("too many captures") end
    m.level = m.level + 1
    m.starts[m.level], m.lengths[m.level] = s, length
    local e = match(m, s, p)
    if not e then m.level = m.level - 1 end
    return e
  end

  function match(m, s, p)
    m.depth = m.depth + 1
    if m.depth > MAX_DEPTH then fail("pattern too complex") end
    local pat, answer = m.pat, nil
    while true do
      if p > #pat then
        answer = s
        break
      end
      local c = byte(pat, p)
      if c == 40 then -- (
        if byte(pat, p + 1) == 41 then answer = capture(m, s, p + 2, "position") else answer = capture(m, s, p + 1, "open") end
        break
      elseif c == 41 then -- )
        local level = open_capture(m)
        m.lengths[level] = s - m.starts[level]
        answer = match(m, s, p + 1)
        if not answer then m.lengths[level] = "open" end
        break
      elseif c == 36 and p == #pat then -- $
        answer = s == #m.src + 1 and s or nil
        break
      end
      local next_byte = byte(pat, p + 1)
      if c == ESC and next_byte == 98 then -- %b
        s = balance(m, s, p + 2)
        if not s then break end
        p = p + 4
      elseif c == ESC and next_byte == 102 then -- %f
        p = p + 2
        if byte(pat, p) ~= 91 then fail("missing '[' after '%f' in pattern") end
        local ep = class_end(pat, p)
        local before = s == 1 and 0 or byte(m.src, s - 1)
        if set_has(before, pat, p, ep - 1) or not set_has(byte(m.src, s) or 0, pat, p, ep - 1) then break end
        p = ep
      elseif c == ESC and next_byte and next_byte >= 48 and next_byte <= 57 then -- %1
        local level = capture_index(m, next_byte)
        local length = m.lengths[level]
        if length == "position" then break end
        if sub(m.src, m.starts[level], m.starts[level] + length - 1) ~= sub(m.src, s, s + length - 1) then break end
        s, p = s + length, p + 2
      else
        local ep = class_end(pat, p)
        local suffix = byte(pat, ep)
        if suffix == 42 then -- *
          answer = maximum(m, s, p, ep)
          break
        elseif suffix == 43 then -- +
          answer = single(m, s, p, ep) and maximum(m, s + 1, p, ep) or nil
          break
        elseif suffix == 45 then -- -
          answer = minimum(m, s, p, ep)
          break
        elseif suffix == 63 then -- ?
          if single(m, s, p, ep) then
            answer = match(m, s + 1, ep + 1)
            if answer then break end
          end
          p = ep + 1
        else
          if not single(m, s, p, ep) then break end
          s, p = s + 1, ep
        end
      end
    end
    m.depth = m.depth - 1
    return answer
  end

  local function value_of(m, level, s, e)
    if level > m.level then
      if level ~= 1 then fail("invalid capture index %%%d", level) end
      return sub(m.src, s, e - 1)
    end
    local length = m.lengths[level]
    if length == "position" then return m.starts[level] end
    if length == "open" then fail("unfinished capture") end
    return sub(m.src, m.starts[level], m.starts[level] + length - 1)
  end

  local pattern = {}

  -- The matches in `src` from `init` on, as `kernel/matches` takes them.
  function pattern.open(src, pat, init, anchored)
    local position, last, done = init, nil, false
    local m = { src = src, pat = pat, level = 0, starts = {}, lengths = {}, depth = 0 }
    local from, to
    local function next_match()
      while position <= #src + 1 and not done do
        m.level, m.depth = 0, 0
        local e = match(m, position, anchored and 2 or 1)
        done = anchored
        if e and e ~= last then
          from, to = position, e
          position, last = e, e
          return from, to
        end
        position = position + 1
      end
    end
    return { next = next_match, count = function() return m.level end, value = function(level) return value_of(m, level, from, to) end }
  end

  -- Text without patterns, in linear time (Knuth, Morris, Pratt): Lua's own takes the product of the lengths at worst.
  function pattern.find_plain(src, text, init)
    if init < 0 then init = raw.math.max(1, #src + init + 1) elseif init == 0 then init = 1 end
    if init > #src + 1 then return nil end
    if text == "" then return init, init - 1 end
    local fallback, k = { 0 }, 0
    for i = 2, #text do
      while k > 0 and byte(text, k + 1) ~= byte(text, i) do k = fallback[k] end
      if byte(text, k + 1) == byte(text, i) then k = k + 1 end
      fallback[i] = k
    end
    k = 0
    for i = init, #src do
      while k > 0 and byte(text, k + 1) ~= byte(src, i) do k = fallback[k] end
      if byte(text, k + 1) == byte(src, i) then k = k + 1 end
      if k == #text then return i - k + 1, i end
    end
    return nil
  end

  return pattern
end, "lasts"
