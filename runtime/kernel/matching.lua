-- find, match, gmatch and gsub of a script. Lua's matcher runs in C, where no hook fires, so a pattern that could keep it busy is
-- matched otherwise: by RE2, which takes time that grows with the text only (kernel/linear), and what that cannot say by a
-- matcher in Lua, which counts (kernel/pattern). Which of them it is, and what is charged, depends on pattern and text alone.
return function(K)
  local raw = K.raw
  local type, select, rawset, setmetatable = raw.type, raw.select, raw.rawset, raw.setmetatable
  local limits = K.limits
  local string, mathtype, charge = raw.string, raw.math.type, limits.charge
  local find, match, gmatch, gsub, sub, byte = string.find, string.match, string.gmatch, string.gsub, string.sub, string.byte
  local text = K.use("kernel/argument").text
  local unseen = K.use("kernel/unseen")
  local use = unseen(K.use) -- what only some patterns need is loaded when one comes, unseen as well

  local KEPT = 500 -- patterns whose form is remembered
  local LONG = 1000 -- bytes of a pattern that is looked at again each time
  local TINY = 8192 -- steps that are not charged: what the call of a function takes is charged already
  local EACH = 64 -- steps for each byte of the text up to which Lua's own matcher is taken
  local MOST = 50000000 -- steps of it at most where RE2 cannot be taken, about a third of a second
  local STEPS = 7 -- of it are as long as one instruction, roughly
  local PLACES = 2 -- of a text at which it begins, likewise; rather more than steps
  local LITTLE = 1024 -- steps
  local NEW, READ, LOOKED_AT = 100, 16, 250 -- instructions for a pattern that is new; for a byte of one that is long; of one whose form is made
  local MADE, FEW = 1, 8 -- instructions for a replacement; how many are not charged
  local COMPARED = 1024 -- bytes of text times bytes of plain text that are as long as one instruction
  local LOOK = 256 -- bytes that an anchored search is taken to look at when it finds nothing
  local MAX_PLAIN = 1000000000

  -- The bytes up to which a text is free to match, by how many repetitions the pattern has: seen without looking closer.
  local SAFE = { [0] = 1024, 96, 24, 12, 8 }
  -- Of those, what is charged for a byte of a text that is longer than some; per half an instruction.
  local FREE, PRICE = { [0] = 48, 16, 8 }, { [0] = 1, 4, 8 }
  local function safe(pattern)
    if #pattern > 64 or find(pattern, "%%[b%d]") then return -1, 0, 0 end
    local _, repeats = gsub(gsub(pattern, "%%%p", ""), "[*+?-]", "")
    return SAFE[repeats] or -1, FREE[repeats] or 1024, PRICE[repeats] or 0
  end

  -- The form of a pattern, by which its cost is known: read as a table, made when first read.
  local NONE = { safe = -1, free = 0, price = 0, captures = 0, each = 0, tiny = -1, linear = false, plain = false, native = false, anchored = false, lua_only = true, prefix = false }
  local Form = {}
  local form_of
  Form.__index = unseen(function(form, key)
    local work, shape = K.use("kernel/work"), K.use("kernel/shape")(form.pattern)
    for name, value in raw.next, shape do form[name] = value end
    local many = work.worst(shape, 1000000) / 1000000
    form.linear = many <= EACH and raw.math.ceil(many)
    form.tiny = -1
    form.each = 0
    for length = 4, 10 do
      local most = work.worst(shape, 1 << length)
      if most <= TINY then form.tiny, form.each = 1 << length, raw.math.ceil(most / (1 << length)) end
    end
    limits.note(raw.math.min(#form.pattern, LONG) * LOOKED_AT)
    setmetatable(form, nil)
    return form[key]
  end)
  local count
  local FORMS = {}
  K.anew(function()
    count = 0
    for pattern in raw.next, FORMS do FORMS[pattern] = nil end
  end)
  setmetatable(FORMS, { __index = unseen(function(forms, pattern)
    if type(pattern) ~= "string" then return NONE end
    local most, free, price = safe(pattern)
    local form = setmetatable({ pattern = pattern, safe = most, free = free, price = price }, Form)
    limits.note(NEW + #pattern)
    if #pattern > LONG then return form end
    if count >= KEPT then
      for key in raw.next, forms do forms[key] = nil end
      count = 0
    end
    count = count + 1
    rawset(forms, pattern, form)
    return form
  end) })

  -- What is known of the texts last asked about. The collector may take it, so that it keeps no text alive.
  local recent, turn = setmetatable({}, { __mode = "v" }), nil
  K.anew(function() recent[1], recent[2], recent[3], recent[4], turn = nil, nil, nil, nil, 0 end)
  local function facts_of(s)
    for i = 1, 4 do
      local facts = recent[i]
      if facts and facts.text == s then return facts end
    end
    turn = turn % 4 + 1
    recent[turn] = K.use("kernel/work").facts(s)
    return recent[turn]
  end

  -- Steps for each byte of `s` with Lua's matcher, and whether it is too many; nil and an error where not even that can be said.
  local function judged(s, form, facts)
    local work = K.use("kernel/work")
    local enough = form.lua_only and MOST or EACH * (#s + 1000.0)
    local cost = raw.math.min(work.on(form, facts, enough), work.worst(form, #s))
    return { raw.math.ceil(raw.math.min(cost, MOST) / (#s + 1)), cost > enough or cost > MOST }
  end
  local judge = unseen(function(s, form)
    local facts = facts_of(s)
    local known = facts.judged[form]
    if not known then
      known = judged(s, form, facts)
      facts.judged[form] = known
    end
    return known[1], known[2]
  end)

  -- The form of `pattern`, what a byte of `s` costs, and whether that is too much for Lua's own matcher.
  local function admit(s, pattern)
    if #pattern > LONG then charge(#pattern * READ) end
    local form = FORMS[pattern]
    local tiny, each = form.tiny, form.linear
    if not tiny then K.misuse("stack overflow") end -- so deep that not even the form could be looked at
    if #s <= tiny then return form, form.each, false end
    if each then return form, each, each * #s > MOST end
    local slow
    each, slow = judge(s, form)
    if not each then raw.error(slow, 0) end
    return form, each, slow
  end

  -- What finds the matches where Lua's own matcher would take too long: from `init` on.
  local function source(form, s, init, once)
    if init < 0 then init = #s + init + 1 end
    if init < 1 then init = 1 end
    if form.prefix then -- where that does not match, nobody comes to what is wrong with the pattern
      init = use("kernel/linear").first(s, form, init) or init
    end
    local found = form.regex and use("kernel/linear").open(s, form, init, once)
    return found or use("kernel/pattern").open(s, form.pattern, init, form.anchored)
  end

  -- A search that ends soon is cheap, however long the text: what was looked at is charged when it is known, unless it is less
  -- than the instructions of the call itself.
  local function pay(form, each, s, init, found, last)
    local length = #s
    if init < 0 then init = length + init + 1 end
    if init < 1 then init = 1 end
    local reach = found and last or length
    if not found and form.anchored and init + LOOK < length then reach = init + LOOK end
    local places = reach - init + 1
    if places * each > LITTLE then charge(places * each // STEPS + (form.anchored and 0 or places // PLACES)) end
  end
  local function found(form, each, s, init, first, last, ...)
    if not first or init < 1 or (last - init) * each > LITTLE then pay(form, each, s, init, first, last) end
    if not first then return nil end
    return first, last, ...
  end
  local function matched(form, each, s, init, first, last, ...)
    if not first or init < 1 or (last - init) * each > LITTLE then pay(form, each, s, init, first, last) end
    if not first then return nil end
    if select("#", ...) == 0 then return sub(s, first, last) end
    return ...
  end

  -- As Lua's own: an integer, or what stands for one. What does not, it refuses in its own words.
  local function start(init, fname)
    if mathtype(init) == "integer" then return init end
    if init == nil then return 1 end
    local number = raw.tonumber(init)
    K.check(number or init, 3, fname, number and "integer" or "number")
    return raw.math.tointeger(number)
  end

  local function find_plain(s, pattern, init)
    if #s * #pattern > MAX_PLAIN then return use("kernel/pattern").find_plain(s, pattern, init) end
    local first, last = find(s, pattern, init, true)
    local bytes = (last or #s) - (init > 0 and init or 1)
    if bytes > LITTLE then charge(bytes * #pattern // COMPARED) end
    if not first then return nil end
    return first, last
  end

  local function find_any(s, pattern, init)
    local form, each, slow = admit(s, pattern)
    if form.plain then return find_plain(s, pattern, init) end
    if slow then return use("kernel/matches").find(source(form, s, init, true)) end
    return found(form, each, s, init, find(s, form.native, init))
  end

  local function match_any(s, pattern, init)
    local form, each, slow = admit(s, pattern)
    if slow then return use("kernel/matches").match(source(form, s, init, true)) end
    if form.plain then -- string.find would take what is malformed for text
      charge(#s * each // STEPS + #s // PLACES)
      return match(s, form.native, init)
    end
    return matched(form, each, s, init, find(s, form.native, init))
  end

  local function gmatch_any(s, pattern, init)
    s, pattern = text(s, 1, "gmatch"), text(pattern, 2, "gmatch")
    init = start(init, "gmatch")
    if byte(pattern, 1) == 94 then pattern = "%" .. pattern end -- a character here, and no anchor
    local form, each, slow = admit(s, pattern)
    if slow then return use("kernel/matches").gmatch(source(form, s, init)) end
    charge((#s + 1) * each // STEPS + #s // PLACES)
    return gmatch(s, form.native, init)
  end

  local function gsub_any(s, pattern, replacement, n)
    s, pattern, replacement = text(s, 1, "gsub"), text(pattern, 2, "gsub"), text(replacement)
    local form, each, slow = admit(s, pattern)
    if slow then return use("kernel/matches").gsub(source(form, s, 1), s, replacement, n) end
    local result, count = string.gsub(s, form.native, replacement, n) -- a field, which names it in a message
    charge(#s * each // STEPS + #s // PLACES + count * (MADE + form.captures) + #result // 32)
    return result, count
  end

  -- Short texts, the most of all, take no longer than they must.
  local strings = {}
  function strings.find(s, pattern, init, plain)
    if type(s) ~= "string" or type(pattern) ~= "string" then s, pattern = text(s, 1, "find"), text(pattern, 2, "find") end
    if init == nil then init = 1 elseif mathtype(init) ~= "integer" then init = start(init, "find") end
    if plain then return find_plain(s, pattern, init) end
    local form, n = FORMS[pattern], #s
    if n <= form.safe then
      if n > form.free then charge(n * form.price // 2) end
      return find(s, pattern, init)
    end
    return find_any(s, pattern, init)
  end
  function strings.match(s, pattern, init)
    if type(s) ~= "string" or type(pattern) ~= "string" then s, pattern = text(s, 1, "match"), text(pattern, 2, "match") end
    if init == nil then init = 1 elseif mathtype(init) ~= "integer" then init = start(init, "match") end
    local form, n = FORMS[pattern], #s
    if n <= form.safe then
      if n > form.free then charge(n * form.price // 2) end
      return match(s, pattern, init)
    end
    return match_any(s, pattern, init)
  end
  function strings.gmatch(s, pattern, init)
    if init == nil and type(s) == "string" then
      local form, n = FORMS[pattern], #s
      if n <= form.safe then
        if n > form.free then charge(n * form.price // 2) end
        return gmatch(s, pattern)
      end
    end
    return gmatch_any(s, pattern, init)
  end
  function strings.gsub(s, pattern, replacement, n)
    if n == nil and type(replacement) == "string" and type(s) == "string" and #s <= FORMS[pattern].safe then
      if #s > FORMS[pattern].free then charge(#s * FORMS[pattern].price // 2) end
      local result, count = gsub(s, pattern, replacement)
      if count > FEW then charge(count * MADE + #result // 32) end
      return result, count
    end
    return gsub_any(s, pattern, replacement, n)
  end
  return strings
end, "lasts"
