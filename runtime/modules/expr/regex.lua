-- Regular expressions in RE2's syntax, for `matches`: all states of the automaton go through the text together, so a match
-- takes time in proportion to text times pattern whatever the pattern. Left out, and refused: \p{…}, \Q…\E, back
-- references and looking around, the last two of which RE2 has not either.
return function(K)
  local fail = K.use("modules/expr/lexer").fail
  local MAX_PROGRAM = 5000
  local MAX_REPEAT = 1000
  local MAX_DEPTH = 100

  -- Characters: sets are lists of ranges {first, last} ---------------------------------------------------------------------

  local DIGIT, SPACE = { { 48, 57 } }, { { 9, 10 }, { 12, 13 }, { 32, 32 } }
  local UPPER, LOWER = { 65, 90 }, { 97, 122 }
  local WORD = { { 48, 57 }, UPPER, { 95, 95 }, LOWER }
  local POSIX = {
    alpha = { UPPER, LOWER }, digit = DIGIT, alnum = { { 48, 57 }, UPPER, LOWER }, upper = { UPPER }, lower = { LOWER },
    space = { { 9, 13 }, { 32, 32 } }, xdigit = { { 48, 57 }, { 65, 70 }, { 97, 102 } }, word = WORD,
    punct = { { 33, 47 }, { 58, 64 }, { 91, 96 }, { 123, 126 } }, blank = { { 9, 9 }, { 32, 32 } },
    cntrl = { { 0, 31 }, { 127, 127 } }, print = { { 32, 126 } }, graph = { { 33, 126 } }, ascii = { { 0, 127 } },
  }

  local function complement(ranges)
    local sorted, out, from = { table.unpack(ranges) }, {}, 0
    table.sort(sorted, function(a, b) return a[1] < b[1] end)
    for _, range in ipairs(sorted) do
      if range[1] > from then out[#out + 1] = { from, range[1] - 1 } end
      if range[2] >= from then from = range[2] + 1 end
    end
    out[#out + 1] = { from, 0x7FFFFFFF }
    return out
  end

  local CLASSES = {
    d = DIGIT, s = SPACE, w = WORD, D = complement(DIGIT), S = complement(SPACE), W = complement(WORD),
  }
  local CONTROLS = { a = 7, f = 12, n = 10, r = 13, t = 9, v = 11 }

  local function within(ranges, code)
    for i = 1, #ranges do
      if code >= ranges[i][1] and code <= ranges[i][2] then return true end
    end
    return false
  end

  local function other_case(code)
    if code >= 65 and code <= 90 then return code + 32 end
    if code >= 97 and code <= 122 then return code - 32 end
    return code
  end

  local function codes_of(text)
    local codes = {}
    if utf8.len(text) then
      for _, code in utf8.codes(text) do codes[#codes + 1] = code end
    else
      for i = 1, #text do codes[i] = string.byte(text, i) end
    end
    return codes
  end

  -- Reading: a node is {kind, …}; P is {codes, at, position of the expression, flags, depth} -----------------------------

  local function refuse(P, text, ...) fail(P.place, "bad regular expression: " .. text, ...) end
  local function char_at(P, offset)
    local code = P.codes[P.at + (offset or 0)]
    return code and utf8.char(code)
  end
  local function accept(P, text)
    for i = 1, #text do
      if char_at(P, i - 1) ~= string.sub(text, i, i) then return false end
    end
    P.at = P.at + #text
    return true
  end

  -- After the backslash: ranges, and the code when it is one character.
  local function escaped(P)
    local letter = char_at(P) or refuse(P, "it ends with a backslash")
    local code = P.codes[P.at]
    P.at = P.at + 1
    if CLASSES[letter] then return CLASSES[letter] end
    if letter == "x" then
      local digits = ""
      if accept(P, "{") then
        while not accept(P, "}") do
          digits = digits .. (char_at(P) or "?")
          P.at = P.at + 1
          if #digits > 8 then refuse(P, "a bad \\x escape") end
        end
      else
        digits = (char_at(P) or "?") .. (char_at(P, 1) or "?")
        P.at = P.at + 2
      end
      code = string.find(digits, "^%x+$") and tonumber(digits, 16) or refuse(P, "a bad \\x escape")
    elseif CONTROLS[letter] then
      code = CONTROLS[letter]
    elseif code > 127 or string.find(letter, "[%w]") then
      refuse(P, "\\%s is not supported", letter)
    end
    return { { code, code } }, code
  end

  local function class_item(P)
    if accept(P, "[:") then
      local inverted, name = accept(P, "^"), ""
      while not accept(P, ":]") do
        name = name .. (char_at(P) or refuse(P, "missing ]"))
        P.at = P.at + 1
      end
      local ranges = POSIX[name] or refuse(P, "unknown class [:%s:]", name)
      return inverted and complement(ranges) or ranges
    end
    if accept(P, "\\") then return escaped(P) end
    local code = P.codes[P.at] or refuse(P, "missing ]")
    P.at = P.at + 1
    return { { code, code } }, code
  end

  local function class(P)
    local inverted, ranges, first = accept(P, "^"), {}, true
    while first or not accept(P, "]") do
      first = false
      local items, code = class_item(P)
      if code and char_at(P) == "-" and char_at(P, 1) ~= "]" then
        P.at = P.at + 1
        local _, last = class_item(P)
        if not last or last < code then refuse(P, "a bad range in [ ]") end
        items = { { code, last } }
      end
      for _, range in ipairs(items) do ranges[#ranges + 1] = range end
    end
    if P.flags.i then
      for i = 1, #ranges do
        for code = math.max(ranges[i][1], 65), math.min(ranges[i][2], 122) do
          ranges[#ranges + 1] = { other_case(code), other_case(code) }
        end
      end
    end
    return { kind = "set", ranges = inverted and complement(ranges) or ranges }
  end

  local function one(P, code)
    local ranges = { { code, code } }
    if P.flags.i then ranges[2] = { other_case(code), other_case(code) } end
    return { kind = "set", ranges = ranges }
  end

  local alternatives

  local function group(P)
    local flags = P.flags
    if accept(P, "?P<") or accept(P, "?<") then
      while not accept(P, ">") do
        if not string.find(char_at(P) or "?", "^[%w_]$") then refuse(P, "a bad group name") end
        P.at = P.at + 1
      end
    elseif accept(P, "?") then
      P.flags = { i = flags.i, s = flags.s, m = flags.m }
      local on = true
      while not accept(P, ":") do
        local letter = char_at(P)
        P.at = P.at + 1
        if letter == ")" then return nil end -- for the rest of the group around it
        if letter == "-" then
          on = false
        elseif letter == "i" or letter == "s" or letter == "m" then
          P.flags[letter] = on
        elseif letter ~= "U" then
          refuse(P, "(?%s is not supported", letter or "")
        end
      end
    end
    local node = alternatives(P)
    if not accept(P, ")") then refuse(P, "missing )") end
    P.flags = flags
    return node
  end

  local function atom(P)
    if accept(P, "(") then return group(P) or { kind = "list" } end
    if accept(P, "[") then return class(P) end
    if accept(P, ".") then return { kind = "set", ranges = complement(P.flags.s and {} or { { 10, 10 } }) } end
    if accept(P, "^") then return { kind = "assert", what = P.flags.m and "line start" or "start" } end
    if accept(P, "$") then return { kind = "assert", what = P.flags.m and "line end" or "end" } end
    if accept(P, "\\A") then return { kind = "assert", what = "start" } end
    if accept(P, "\\z") then return { kind = "assert", what = "end" } end
    if accept(P, "\\b") then return { kind = "assert", what = "boundary" } end
    if accept(P, "\\B") then return { kind = "assert", what = "no boundary" } end
    if accept(P, "\\") then
      local ranges, code = escaped(P)
      return code and one(P, code) or { kind = "set", ranges = ranges }
    end
    local letter = char_at(P)
    if letter == "*" or letter == "+" or letter == "?" then refuse(P, "nothing to repeat before %s", letter) end
    P.at = P.at + 1
    return one(P, P.codes[P.at - 1])
  end

  -- {min, max} of a repetition, max nil for no end; nil when there is none.
  local function bounds(P)
    if accept(P, "*") then return 0, nil end
    if accept(P, "+") then return 1, nil end
    if accept(P, "?") then return 0, 1 end
    local ahead = {}
    for i = 0, 10 do ahead[#ahead + 1] = char_at(P, i) end
    local text = table.concat(ahead)
    local low, comma, high = string.match(text, "^{(%d+)(,?)(%d*)}")
    if not low or comma == "" and high ~= "" then return false end
    P.at = P.at + #string.match(text, "^[^}]*}")
    local min, max = tonumber(low), comma == "" and tonumber(low) or tonumber(high)
    if min > MAX_REPEAT or max and (max > MAX_REPEAT or max < min) then refuse(P, "a bad repetition") end
    return min, max
  end

  local function repeated(P)
    local node = atom(P)
    local min, max = bounds(P)
    if min == false then return node end
    accept(P, "?") -- lazy or not, the text matches or it does not
    local letter = char_at(P)
    if letter == "*" or letter == "+" or letter == "?" then refuse(P, "a repetition of a repetition") end
    return { kind = "repeat", node = node, min = min, max = max }
  end

  function alternatives(P)
    P.depth = P.depth + 1
    if P.depth > MAX_DEPTH then refuse(P, "nested deeper than %d", MAX_DEPTH) end
    local choices, list = {}, { kind = "list" }
    while true do
      local letter = char_at(P)
      if letter == "|" then
        P.at = P.at + 1
        choices[#choices + 1], list = list, { kind = "list" }
      elseif letter == nil or letter == ")" then
        P.depth = P.depth - 1
        choices[#choices + 1] = list
        return { kind = "choice", choices = choices }
      else
        list[#list + 1] = repeated(P)
      end
    end
  end

  local engine = K.use("modules/expr/automaton")

  local regex = {}

  -- A function that says whether the expression is found in a text. `place` is where it stands, for faults.
  function regex.compile(pattern, place)
    local P = { codes = codes_of(pattern), at = 1, place = place, flags = {}, depth = 0 }
    local node = alternatives(P)
    if char_at(P) then refuse(P, "unexpected )") end
    local program = engine.program(node, MAX_PROGRAM)
    if not program then refuse(P, "it is too large") end
    return function(text) return engine.search(program, codes_of(text), within) end
  end

  return regex
end
