-- The form of a Lua pattern: its items, what may follow each of them, and with that what `kernel/work` needs to say how long a
-- text can keep Lua's matcher busy. Items that follow each other hide nothing: where what comes after a repetition cannot begin
-- with a character of it, the matcher that gives characters back fails at once, so two such repetitions cost no more than one.
return function(K)
  local raw = K.raw
  local byte, sub, concat = raw.string.byte, raw.string.sub, raw.table.concat
  local Set = K.use("kernel/byteset")
  local MAX_DEPTH, MAX_CAPTURES = 190, 32 -- of Lua's matcher: 200 levels, where each item here takes one at most
  local MAX_REGEX = 500 -- items: what RE2 compiles fits its memory
  local MAX_ITEMS = 2000 -- more are not looked at one by one
  local LONG = 48 -- bytes of a set that is written anew, since each is looked at for each character of the text
  local NONE = { 0, 0, 0, 0 }

  -- Position behind the single-character class at `p`; nil when it is malformed, which the matcher will say when it comes there.
  local function class_end(pattern, p)
    local code = byte(pattern, p)
    if code == 37 then return p + 1 <= #pattern and p + 2 or nil end
    if code ~= 91 then return p + 1 end
    p = p + 1
    if byte(pattern, p) == 94 then p = p + 1 end
    repeat
      if p > #pattern then return nil end
      if byte(pattern, p) == 37 then p = p + 1 end
      p = p + 1
    until byte(pattern, p) == 93
    return p + 1
  end

  local function class(pattern, p, after)
    local code = byte(pattern, p)
    local item = { text = sub(pattern, p, after - 1), weight = 1 }
    if code == 46 then
      item.set = Set.FULL
    elseif code == 37 then
      item.set = Set.escaped(byte(pattern, p + 1))
      if not raw.string.find(item.text, "%a") then item.char = sub(item.text, 2) end
    elseif code == 91 then
      item.set = Set.bracketed(pattern, p, after - 1)
      if #item.text > LONG then item.text = Set.as_lua(item.set) end
      item.weight = 1 + #item.text // 4
    else
      item.set, item.text = Set.of(code), Set.quoted(code) -- so that it is a class wherever it stands
      item.char = raw.string.char(code)
    end
    return item
  end

  local OPS = { [42] = "star", [43] = "plus", [45] = "lazy", [63] = "opt" }

  -- The item at `p` that is no plain character or class, and where it ends; nothing for those that are.
  local function special(shape, pattern, p)
    local code, following = byte(pattern, p, p + 1)
    if code == 40 then
      shape.captures = shape.captures + 1
      if shape.captures > MAX_CAPTURES then return nil end
      if following == 41 then return { op = "place", text = "()" }, p + 2 end
      shape.open[#shape.open + 1] = shape.captures
      return { op = "open", text = "(" }, p + 1
    elseif code == 41 then
      if not raw.table.remove(shape.open) then return nil end
      return { op = "close", text = ")" }, p + 1
    elseif code == 36 and p == #pattern then
      return { op = "end", text = "$", weight = 1 }, p + 1
    elseif code ~= 37 or not following then
      return nil
    elseif following == 98 then -- %b
      local first, last = byte(pattern, p + 2, p + 3)
      if not last then return nil end
      return { op = "balance", text = sub(pattern, p, p + 3), weight = 1, opening = first, closing = last }, p + 4
    elseif following == 102 then -- %f
      local after = byte(pattern, p + 2) == 91 and class_end(pattern, p + 2)
      if not after then return nil end
      local item = class(pattern, p + 2, after)
      item.op, item.text = "border", "%f" .. item.text
      return item, after
    elseif following >= 48 and following <= 57 then
      return { op = "back", text = sub(pattern, p, p + 1), weight = 1 }, p + 2
    end
  end

  local SPECIAL = { [36] = true, [37] = true, [40] = true, [41] = true }

  local function next_item(shape, pattern, p)
    if SPECIAL[byte(pattern, p)] then
      local item, after = special(shape, pattern, p)
      if item then return item, after end
      local code, following = byte(pattern, p, p + 1)
      if code == 40 or code == 41 or code == 37 and (following == 98 or following == 102) then return nil end
    end
    local after = class_end(pattern, p)
    if not after then return nil end
    local item = class(pattern, p, after)
    item.op = OPS[byte(pattern, after)] or "one"
    return item, item.op == "one" and after or after + 1
  end

  -- What is left of a pattern that goes on and on: so many characters, or too much to say.
  local function tail(pattern, p)
    local wild = raw.string.find(pattern, "[*+?-]", p) or raw.string.find(pattern, "%%[bf%d]", p)
    return { op = "tail", weight = wild and 1e15 or #pattern - p, text = sub(pattern, p) }
  end

  local UNTRANSLATABLE = { balance = true, border = true, back = true }

  local function parse(shape, pattern)
    local items, p = {}, 1
    if byte(pattern, 1) == 94 then
      shape.anchored = true
      p = 2
    end
    local deep = 1
    while p <= #pattern do
      local item, after
      if #items < MAX_ITEMS then
        item, after = next_item(shape, pattern, p)
      else
        item, after = tail(pattern, p), #pattern + 1
      end
      if not item then
        shape.broken = p
        break
      end
      items[#items + 1], p = item, after
      if item.op ~= "one" then deep = deep + 1 end
      if UNTRANSLATABLE[item.op] then shape.lua_only = true end
    end
    if deep > MAX_DEPTH or #items > MAX_REGEX then shape.lua_only = true end
    shape.faulty = shape.broken or #shape.open > 0
    return items
  end

  -- From the end to the beginning: what each item is followed by.
  --   sure      nothing behind can fail
  --   closes    all behind matches nothing at the end of the text
  --   first     what the text must go on with, when something behind can fail
  --   lead      what it costs to see that it does not
  local function look_ahead(items)
    local sure, closes, first, lead = true, true, NONE, 0
    local must -- the set of the item behind, when that must match and all behind it is sure
    local word -- the characters behind, when there are such only and then nothing that can fail
    for i = #items, 1, -1 do
      local item, op = items[i], items[i].op
      item.sure, item.lead = sure, lead
      if op == "lazy" and must then item.set, item.narrow = Set.without(item.set, must), true end
      if op == "lazy" and word and #word > 1 then item.word = word end
      word = op == "one" and item.char and (sure and item.char or word and item.char .. word) or nil
      must = nil
      if op == "one" or op == "plus" then
        item.single = not sure and not Set.meets(first, item.set)
        if sure then must = item.set end
        sure, closes, first, lead = false, false, item.set, item.weight
      elseif op == "star" or op == "lazy" or op == "opt" then
        item.single = not sure and not Set.meets(first, item.set)
        item.whole = op ~= "opt" and closes and Set.is_full(item.set)
        first, lead = Set.union(first, item.set), lead + item.weight
        sure = sure or item.whole
      elseif op == "end" then
        sure, closes, first, lead = false, true, NONE, 1
      elseif op == "balance" then
        sure, closes, first, lead = false, false, Set.of(item.opening), 1
      elseif op == "border" then
        sure, closes, first, lead = false, false, item.set, item.weight
      elseif op == "back" or op == "tail" then
        sure, closes, first, lead = false, false, Set.FULL, 1
      end
    end
  end

  -- From the beginning to the end: whether a repetition begins where a run of its characters does.
  local function look_behind(items)
    local before
    for _, item in raw.ipairs(items) do
      local op = item.op
      item.starts = before ~= nil and item.set ~= nil and not Set.meets(before, item.set)
      if op == "one" or op == "plus" then before = item.set
      elseif op == "border" then before = Set.complement(item.set)
      elseif op == "balance" then before = Set.of(item.closing)
      else before = nil end
    end
  end

  local QUIET = { open = true, close = true, place = true }
  local SUFFIX = { star = "*", plus = "+", lazy = "-", opt = "?" }
  local REGEX_SUFFIX = { star = "*", plus = "+", lazy = "*?", opt = "?" }

  -- The pattern again, with its long sets in few words, up to where it is malformed: whoever comes there is told so, and goes no further.
  local function rewritten(shape, all, pattern)
    local parts = { shape.anchored and "^" or "" }
    for i, item in raw.ipairs(all) do parts[i + 1] = item.text .. (SUFFIX[item.op] or "") end
    if shape.broken then parts[#parts + 1] = sub(pattern, shape.broken) end
    return concat(parts)
  end

  local function regex(shape, all)
    if shape.lua_only then return false end
    local parts = {}
    for i, item in raw.ipairs(all) do
      local op = item.op
      if QUIET[op] then
        parts[i] = shape.faulty and "" or item.text
      elseif op == "end" then
        parts[i] = "\\z"
      else
        parts[i] = Set.as_regex(item.set) .. (REGEX_SUFFIX[op] or "")
      end
    end
    return concat(parts)
  end

  -- `native`: the pattern for Lua's matcher. `regex`: for RE2, false where that cannot say it; captures that are places are in
  -- `places`. `broken`: where it is malformed, behind the items. `prefix`: for RE2, what must match before a fault is met. `plain`: nothing in it has a meaning to string.find.
  return function(pattern)
    local shape = { captures = 0, open = {}, anchored = false, broken = false, lua_only = false, places = {} }
    local all = parse(shape, pattern)
    shape.plain = not raw.string.find(pattern, "[%^%$%*%+%?%.%(%[%%%-]")
    shape.native = #pattern > LONG and rewritten(shape, all, pattern) or pattern
    local expression = regex(shape, all)
    shape.regex, shape.prefix = not shape.faulty and expression, shape.faulty and expression
    shape.lua_only = not shape.regex
    local items, capture = {}, 0
    for _, item in raw.ipairs(all) do
      if item.op == "open" or item.op == "place" then capture = capture + 1 end
      if item.op == "place" then shape.places[capture] = true end
      if not QUIET[item.op] then items[#items + 1] = item end
    end
    shape.items = items
    look_ahead(items)
    look_behind(items)
    return shape
  end
end, "lasts"
