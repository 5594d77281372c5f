-- Expression text -> tokens {kind, text, value, at}, `at` being the byte the token begins at. Kinds: number, string, name,
-- operator, end. A Fault is what every part of the module raises for an expression that will not do.
return function(K)
  local find, match, sub, byte, char = string.find, string.match, string.sub, string.byte, string.char
  local lexer = {}

  -- Faults ---------------------------------------------------------------------------------------------------------------

  local Fault = {}

  function lexer.fail(at, text, ...)
    if select("#", ...) > 0 then text = string.format(text, ...) end
    error(setmetatable({ at = at, text = text }, Fault), 0)
  end

  -- Ends the expression with an error object that something it called gave.
  function lexer.throw(err) error(setmetatable({ err = err }, Fault), 0) end

  -- What is wrong as an error object; nil for a value that is no fault.
  function lexer.error_of(value)
    if type(value) ~= "table" or K.raw.getmetatable(value) ~= Fault then return nil end
    if value.err then return value.err end
    local message = value.at and value.text .. " at position " .. value.at or value.text
    return K.error({
      kind = K.kinds.INVALID, message = "expr: " .. message, retryable = false,
      details = value.at and { position = value.at },
    })
  end

  local fail = lexer.fail

  -- Tokens ---------------------------------------------------------------------------------------------------------------

  local WORDS = {
    ["in"] = true, ["not"] = true, ["and"] = true, ["or"] = true, matches = true, contains = true, startsWith = true,
    endsWith = true,
  }
  local OPERATORS = {
    "?.", "??", "?:", "==", "!=", "<=", ">=", "&&", "||", "**", "..", "+", "-", "*", "/", "%", "^", "<", ">", "!", "?",
    ":", "(", ")", "[", "]", "{", "}", ",", ".", "|", "#", ";", "=",
  }

  -- The next byte that is neither white space nor part of a comment.
  local function skip(text, at)
    while true do
      at = find(text, "[^ \t\r\n]", at) or #text + 1
      local two = sub(text, at, at + 1)
      if two == "//" then
        at = find(text, "\n", at, true) or #text + 1
      elseif two == "/*" then
        local _, last = find(text, "*/", at + 2, true)
        if not last then fail(at, "the comment does not end") end
        at = last + 1
      else
        return at
      end
    end
  end

  local BASES = { x = { 16, "^[%x_]+" }, o = { 8, "^[0-7_]+" }, b = { 2, "^[01_]+" } }

  local function integer_in_base(text, at, base, pattern)
    local digits = match(text, pattern, at + 2)
    if not digits then fail(at, "a number without digits") end
    local value = 0
    for digit in string.gmatch((string.gsub(digits, "_", "")), ".") do
      if value > (math.maxinteger - tonumber(digit, 16)) // base then fail(at, "an integer beyond 64 bits") end
      value = value * base + tonumber(digit, 16)
    end
    return value, at + 2 + #digits
  end

  local function number(text, at)
    local base = BASES[match(text, "^0([xob])", at)]
    if base then return integer_in_base(text, at, base[1], base[2]) end
    local literal = match(text, "^[%d_]*", at)
    local fraction = match(text, "^%.%d[%d_]*", at + #literal)
    literal = literal .. (fraction or "")
    local exponent = match(text, "^[eE][+-]?%d+", at + #literal)
    literal = literal .. (exponent or "")
    local value = tonumber((string.gsub(literal, "_", "")))
    if fraction or exponent then
      value = value + 0.0
    elseif math.type(value) ~= "integer" then
      fail(at, "an integer beyond 64 bits")
    end
    return value, at + #literal
  end

  local ESCAPES = {
    a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v", ["\\"] = "\\", ["'"] = "'", ['"'] = '"',
    ["`"] = "`", ["/"] = "/",
  }

  local function escape(text, at)
    local letter = sub(text, at + 1, at + 1)
    if ESCAPES[letter] then return ESCAPES[letter], at + 2 end
    local size = letter == "x" and 2 or letter == "u" and 4 or letter == "U" and 8
    local digits = size and match(text, "^" .. string.rep("%x", size), at + 2)
    if not digits then fail(at, "an unknown escape in a string") end
    local code = tonumber(digits, 16)
    if code > 0x10FFFF or code >= 0xD800 and code < 0xE000 then fail(at, "an escape that is no character") end
    return utf8.char(code), at + 2 + size
  end

  local function quoted(text, at, quote)
    local parts, from = {}, at + 1
    while true do
      local stop = find(text, "[\\\n" .. quote .. "]", from)
      if not stop or byte(text, stop) == 10 then fail(at, "the string does not end") end
      parts[#parts + 1] = sub(text, from, stop - 1)
      if sub(text, stop, stop) == quote then return table.concat(parts), stop + 1 end
      parts[#parts + 1], from = escape(text, stop)
    end
  end

  local function raw_string(text, at)
    local stop = find(text, "`", at + 1, true)
    if not stop then fail(at, "the string does not end") end
    return sub(text, at + 1, stop - 1), stop + 1
  end

  local function operator(text, at)
    for _, symbol in ipairs(OPERATORS) do
      if sub(text, at, at + #symbol - 1) == symbol then
        -- `a ?.5 : b` is a condition and a number.
        if symbol ~= "?." or not find(text, "^%d", at + 2) then return symbol end
      end
    end
    fail(at, "unexpected character %s", string.format("%q", match(text, "^" .. utf8.charpattern, at) or char(byte(text, at))))
  end

  local function token(text, at)
    local first = sub(text, at, at)
    if find(first, "%d") or find(text, "^%.%d", at) then
      local value, after = number(text, at)
      if find(text, "^[%w_]", after) then fail(at, "not a number") end
      return { kind = "number", value = value, at = at, text = sub(text, at, after - 1) }, after
    elseif first == "'" or first == '"' then
      local value, after = quoted(text, at, first)
      return { kind = "string", value = value, at = at, text = sub(text, at, after - 1) }, after
    elseif first == "`" then
      local value, after = raw_string(text, at)
      return { kind = "string", value = value, at = at, text = sub(text, at, after - 1) }, after
    end
    local name = match(text, "^[%a_$\128-\255][%w_$\128-\255]*", at)
    if name then return { kind = WORDS[name] and "operator" or "name", text = name, at = at }, at + #name end
    local symbol = operator(text, at)
    return { kind = "operator", text = symbol, at = at }, at + #symbol
  end

  -- All tokens, the last of kind "end".
  function lexer.tokens(text)
    local list, at = {}, skip(text, 1)
    while at <= #text do
      list[#list + 1], at = token(text, at)
      at = skip(text, at)
    end
    list[#list + 1] = { kind = "end", text = "the end", at = #text + 1 }
    return list
  end

  return lexer
end
