-- The kernel's matchers beside Lua's own, in an interpreter without a kernel. Takes the sources of kernel files by name and the
-- host function, and gives functions that compare them over random patterns and texts.
local sources, host = ...
local string, table, pack = string, table, table.pack

local spent = 0
local K = {
  raw = {
    next = next, pairs = pairs, ipairs = ipairs, pcall = pcall, type = type, tostring = tostring, tonumber = tonumber, error = error,
    rawget = rawget, rawset = rawset, setmetatable = setmetatable, select = select, string = string, table = table, math = math,
    coroutine = coroutine,
  },
  type = type, tostring = tostring, is_error = function() return false end,
  limits = { charge = function(n) assert(math.type(n) == "integer" and n >= 0) spent = spent + n end, note = function() end, spend = error },
  host = function(name, ...) return host(name, ...) end,
  anew = function(renew) renew() end,
}
function K.misuse(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  error(text, 0)
end
function K.check(value, n, fname, expected)
  if value == nil and n == 4 or type(value) == expected or expected == "integer" and math.tointeger(value) then return end
  K.misuse("bad argument #%d to '%s' (%s expected, got %s)", n, fname, expected, type(value))
end

local loaded = {}
local function load_file(name, change)
  local source = sources[name]
  if change then source = change(source) end
  return assert(load(source, "@" .. name))()(K)
end
function K.use(name)
  loaded[name] = loaded[name] or load_file(name)
  return loaded[name]
end

-- Random cases ---------------------------------------------------------------------------------------------------------------

local function one_of(list) return list[math.random(#list)] end

local ITEMS = {
  "a", "b", ".", "%a", "%d", "%s", "%w", "%S", "%z", "%Z", "[ab]", "[^a]", "[a-c]", "[%a_]", "[]a]", "[^]]", "[^%s,]", "[%]-]", "[a-]", "=", ",", "%.", "\0", "x", "-", "]", "\xe9",
}
local SUFFIXES = { "", "", "", "*", "+", "-", "?" }
local ODD = { "%f[a]", "%f[%W]", "%f[^%z]", "%b()", "%bab", "%baa", "%1", "%2", "(", ")", "^", "$", "%", "[", "%f", "%b", "%ba", "[^", "[%", "*", "%0" }
local TEXTS = { "a", "b", "c", "aa", "ab", " ", ",", "=", "1", "(", ")", "_", "\0", ".", "\n", "x", "-", "]", "\xe9", "A", "^", "$", "%" }

local function random_pattern(odd)
  local parts, open = {}, 0
  if math.random(8) == 1 then parts[1] = "^" end
  for _ = 1, math.random(0, 6) do
    local dice = math.random(10)
    if dice == 1 then parts[#parts + 1], open = "(", open + 1
    elseif dice == 2 and open > 0 then parts[#parts + 1], open = ")", open - 1
    elseif dice == 3 then parts[#parts + 1] = one_of({ "()", "(.-)", "(%w+)", "([^,]*)", ".-ab", "(.-)a=", "[^c]-aab" })
    elseif dice <= odd then parts[#parts + 1] = one_of(ODD)
    else parts[#parts + 1] = one_of(ITEMS) .. one_of(SUFFIXES) end
  end
  if math.random(12) > 1 then parts[#parts + 1] = (")"):rep(open) end
  if math.random(6) == 1 then parts[#parts + 1] = "$" end
  return table.concat(parts)
end

local function random_text(most)
  local parts = {}
  for i = 1, math.random(0, most) do
    parts[i] = math.random(6) == 1 and one_of(TEXTS):rep(math.random(4)) or one_of(TEXTS)
  end
  return table.concat(parts)
end

local REPLACEMENTS = {
  "", "x", "<%0>", "%1", "%1%2", "%%", "%x", "%", 7,
  function(a) return a ~= "a" and a end, function(...) return select("#", ...) end, function() return {} end,
  { a = "A", ab = 1, [1] = "one" }, setmetatable({}, { __index = function(_, key) return "[" .. key .. "]" end }),
}

-- Comparing --------------------------------------------------------------------------------------------------------------------

local function said(f, ...)
  local r = pack(pcall(f, ...))
  if not r[1] then return "error: " .. tostring(r[2]):gsub("^[^:]*:%d+: ", ""):gsub("'string%.", "'") end
  for i = 1, r.n do r[i] = math.type(r[i]) == "integer" and "#" .. r[i] or tostring(r[i]) end
  return table.concat(r, "|", 1, r.n)
end

local function all(iterator)
  local parts = {}
  for i = 1, 200 do
    local values = pack(iterator())
    if values[1] == nil then break end
    for k = 1, values.n do values[k] = math.type(values[k]) == "integer" and "#" .. values[k] or values[k] end
    parts[i] = table.concat(values, "|")
  end
  return table.concat(parts, "/")
end

local CALLS = {
  find = function(lib, s, p, init) return lib.find(s, p, init) end,
  match = function(lib, s, p, init) return lib.match(s, p, init) end,
  gmatch = function(lib, s, p, init) return all(lib.gmatch(s, p, init)) end,
  gsub = function(lib, s, p, _, replacement, n) return lib.gsub(s, p, replacement, n) end,
}
local NAMES = { "find", "match", "gmatch", "gsub" }

local function compare(lib, name, s, p, init, replacement, n)
  local theirs = said(CALLS[name], string, s, p, init, replacement, n)
  local ours = said(CALLS[name], lib, s, p, init, replacement, n)
  if theirs == ours then return nil end
  return ("%s(%q, %q, init %s, replacement %s, n %s)\nLua:  %s\nours: %s"):format(
    name, s, p, tostring(init), tostring(replacement), tostring(n), theirs, ours)
end

-- The script's functions with other numbers in them, so that short texts take the ways of long ones.
local function library(numbers)
  return load_file("matching", function(source)
    for name, value in pairs(numbers) do
      local count
      source, count = source:gsub("local " .. name .. " = [^\n]+", "local " .. name .. " = " .. value, 1)
      assert(count == 1, name)
    end
    return source
  end)
end
local LIBRARIES = {
  usual = library({}),
  regex = library({ SAFE = "{}", TINY = "-1", EACH = "-1" }), -- RE2 wherever it can
  counted = library({ SAFE = "{}", TINY = "-1", EACH = "-1", MOST = "-1", LONG = "-1", MAX_PLAIN = "-1" }),
  judged = library({ SAFE = "{}", TINY = "-1", EACH = "4", MOST = "300", LONG = "6" }),
}

local checks = {}

-- The first of `count` random cases in which `which` answers otherwise than Lua does; nil for none.
function checks.same(which, seed, count, odd)
  math.randomseed(seed)
  local lib = LIBRARIES[which]
  for _ = 1, count do
    local s, p, name = random_text(9), random_pattern(odd), one_of(NAMES)
    local init = math.random(4) == 1 and math.random(-5, 15) or nil
    local n = math.random(6) == 1 and math.random(-1, 4) or nil
    local problem = compare(lib, name, s, p, init, one_of(REPLACEMENTS), n)
    if problem then return problem end
  end
end

-- One case, by each library.
function checks.case(...)
  for which, lib in pairs(LIBRARIES) do
    local problem = compare(lib, ...)
    if problem then return which .. ": " .. problem end
  end
end

-- Steps of the matcher in Lua, which takes those of Lua's own.
local steps = 0
K.step = function()
  steps = steps + 1
  if steps > 300000 then error("enough") end
end
local counting = load_file("pattern", function(source)
  local count
  source, count = source:gsub("local function single%(m, s, p, ep%)", "%0 K.step()")
  assert(count == 1)
  source, count = source:gsub("local c = byte%(m.src, i%)", "%0 K.step()")
  assert(count == 1)
  return source
end)

-- A random case in which the matcher takes more steps than kernel/work says it can; nil for none.
function checks.bounded(seed, count, odd)
  math.randomseed(seed)
  local work, shape_of = K.use("kernel/work"), K.use("kernel/shape")
  for _ = 1, count do
    local p = random_pattern(odd)
    local s = math.random(2) == 1 and random_text(30) or one_of({ "a", "ab", "aab ", "a=b,", "a\n", "((a)" }):rep(math.random(60))
    local shape = shape_of(p)
    local bound = math.min(work.on(shape, work.facts(s), math.random(1000)), work.worst(shape, #s))
    steps = 0
    pcall(function()
      local found = counting.open(s, p, 1, shape.anchored)
      while found.next() and steps < 300000 do end
    end)
    if steps > bound then return ("%q on %q: %d steps, at most %d thought"):format(p, s, steps, bound // 1 | 0) end
  end
end

function checks.class(letter)
  local Set = K.use("kernel/byteset")
  for _, class in ipairs({ letter, letter:upper() }) do
    for code = 0, 255 do
      if Set.has(Set.escaped(class:byte()), code) ~= (string.find(string.char(code), "%" .. class) ~= nil) then return false end
    end
  end
  return true
end

-- What a call counts and is charged, the first time and the second.
function checks.cost(name, s, p)
  local lib = library({})
  local function once()
    spent = 0
    local count = 0
    debug.sethook(function() count = count + 1 end, "", 1)
    pcall(CALLS[name], lib, s, p, nil, "<%0>")
    debug.sethook()
    return count + spent
  end
  return once(), once()
end

-- What plain Lua answers.
function checks.plain(body) return (load(body)()) end

return function(name, ...) return checks[name](...) end
