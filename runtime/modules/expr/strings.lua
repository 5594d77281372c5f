-- The functions of expressions on strings. Upper and lower case are those of ASCII letters, whatever the machine.
return function(K)
  local fail = K.use("modules/expr/lexer").fail
  local values = K.use("modules/expr/values")
  local expect = values.expect
  local charge = K.limits.charge
  local MAX_REPEATED = 1000000
  local READ = 8 -- instructions that making one of RE2's takes
  local STEPS = 8 -- of RE2's instructions on a byte are as long as one instruction, roughly
  local strings = {}

  local function string_of(value, at, what) return expect(value, "string", at, what) end

  local function shifted(from, by)
    return function(text)
      return (string.gsub(text, from, function(letter) return string.char(string.byte(letter) + by) end))
    end
  end
  local upper, lower = shifted("[a-z]", -32), shifted("[A-Z]", 32)

  local function marked(list)
    K.json_marks[list] = "array"
    return list
  end

  -- The characters of a text; its bytes when it is no UTF-8.
  local function characters(text)
    local list = {}
    for character in string.gmatch(text, utf8.len(text) and utf8.charpattern or ".") do list[#list + 1] = character end
    return list
  end

  local function split(text, separator, limit)
    if separator == "" then return marked(characters(text)) end
    local parts, from = {}, 1
    while #parts ~= limit - 1 do
      local at, last = string.find(text, separator, from, true)
      if not at then break end
      parts[#parts + 1] = string.sub(text, from, at - 1)
      from = last + 1
    end
    parts[#parts + 1] = string.sub(text, from)
    return marked(parts)
  end

  local function trimmed(text, cutset)
    local cut, list = {}, characters(text)
    for _, character in ipairs(characters(cutset)) do cut[character] = true end
    local first, last = 1, #list
    while first <= last and cut[list[first]] do first = first + 1 end
    while last >= first and cut[list[last]] do last = last - 1 end
    return table.concat(list, "", first, last)
  end

  local function replaced(text, old, new, limit)
    local parts = split(text, old, limit < 0 and -1 or limit + 1)
    return table.concat(parts, new)
  end

  -- Where `part` begins, in characters from 0, or -1.
  local function position(text, part, last)
    local found, from = nil, 1
    while true do
      local at = string.find(text, part, from, true)
      if not at or at > #text + 1 then break end
      found, from = at, at + 1
      if not last then break end
    end
    return found and values.length(string.sub(text, 1, found - 1)) or -1
  end

  -- A function that says whether a regular expression is found in a text; `at` is where it stands, for faults. What the host
  -- does is charged at its worst, which is known from the size of the expression.
  function strings.pattern(regex, at)
    local size, problem = K.host("expr.pattern", regex)
    charge(size * READ)
    if problem then fail(at, "bad regular expression: %s", problem) end
    return function(text)
      charge(#text * size // STEPS)
      return (K.host("expr.matches", regex, text))
    end
  end

  function strings.define(define)
    define("upper", 1, 1, function(at, text) return upper(string_of(text, at, "upper")) end)
    define("lower", 1, 1, function(at, text) return lower(string_of(text, at, "lower")) end)
    define("trim", 1, 2, function(at, text, cutset)
      return trimmed(string_of(text, at, "trim"), string_of(cutset or " \t\n\r\v\f", at, "trim"))
    end)
    define("trimPrefix", 2, 2, function(at, text, prefix)
      local found = string.sub(string_of(text, at, "trimPrefix"), 1, #string_of(prefix, at, "trimPrefix")) == prefix
      return found and string.sub(text, #prefix + 1) or text
    end)
    define("trimSuffix", 2, 2, function(at, text, suffix)
      local keep = #string_of(text, at, "trimSuffix") - #string_of(suffix, at, "trimSuffix")
      return keep >= 0 and string.sub(text, keep + 1) == suffix and string.sub(text, 1, keep) or text
    end)
    define("split", 2, 3, function(at, text, separator, limit)
      limit = limit and values.integer(limit, at, "split") or -1
      if limit == 0 then return marked({}) end
      return split(string_of(text, at, "split"), string_of(separator, at, "split"), limit)
    end)
    define("join", 1, 2, function(at, list, separator)
      for _, item in ipairs(expect(list, "array", at, "join")) do string_of(item, at, "join") end
      return table.concat(list, string_of(separator or "", at, "join"))
    end)
    define("replace", 3, 4, function(at, text, old, new, limit)
      if string_of(old, at, "replace") == "" then fail(at, "replace: there is nothing to look for") end
      limit = limit and values.integer(limit, at, "replace") or -1
      return replaced(string_of(text, at, "replace"), old, string_of(new, at, "replace"), limit)
    end)
    define("repeat", 2, 2, function(at, text, n)
      n = values.integer(n, at, "repeat")
      if n < 0 or n > MAX_REPEATED // math.max(#string_of(text, at, "repeat"), 1) then
        fail(at, "repeat: the result is longer than %d bytes", MAX_REPEATED)
      end
      return string.rep(text, n)
    end)
    define("indexOf", 2, 2, function(at, text, part)
      return position(string_of(text, at, "indexOf"), string_of(part, at, "indexOf"))
    end)
    define("lastIndexOf", 2, 2, function(at, text, part)
      return position(string_of(text, at, "lastIndexOf"), string_of(part, at, "lastIndexOf"), true)
    end)
    define("hasPrefix", 2, 2, function(at, text, part)
      return string.sub(string_of(text, at, "hasPrefix"), 1, #string_of(part, at, "hasPrefix")) == part
    end)
    define("hasSuffix", 2, 2, function(at, text, part)
      return part == "" or string.sub(string_of(text, at, "hasSuffix"), -#string_of(part, at, "hasSuffix")) == part
    end)
    define("toJSON", 1, 1, function(at, value)
      local json, problem = K.json_encode(value)
      return json or fail(at, "toJSON: %s", problem)
    end)
    define("fromJSON", 1, 1, function(at, text)
      local value, problem = K.json_decode(string_of(text, at, "fromJSON"))
      if problem then fail(at, "fromJSON: %s", problem) end
      return value
    end)
  end

  return strings
end
