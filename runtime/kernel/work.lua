-- How many steps Lua's matcher can take at most for a pattern on a text: an upper bound from the pattern's form (kernel/shape)
-- and, where that is not enough, from how long the runs of its characters are in this text, which takes a scan or two.
return function(K)
  local raw = K.raw
  local find, rep, gmatch, byte = raw.string.find, raw.string.rep, raw.string.gmatch, raw.string.byte
  local min, remove = raw.math.min, raw.table.remove
  local Set = K.use("kernel/byteset")
  local RUN = 16 -- shorter runs are not measured one by one
  local HEAVY = 16 -- the weight of a set from which on a scan is no small thing itself
  local MANY = 40 -- items; each may need a scan

  -- What is known of a text: of each class, the longest run, and the sum of the runs that begin at each place.
  local Facts = {}
  Facts.__index = Facts

  local function facts_of(text)
    return raw.setmetatable({ text = text, length = #text, classes = {}, counts = {}, words = {}, pairs = {}, judged = {} }, Facts)
  end

  local function measure(text, class)
    local long = rep(class, RUN) .. class .. "*"
    local longest, sum, covered = RUN, 0, 0
    local first, last = find(text, long)
    while first do
      local length = last - first + 1
      longest, sum, covered = length > longest and length or longest, sum + length * (length + 1.0) / 2, covered + length
      first, last = find(text, long, last + 1)
    end
    return { longest, sum + (#text - covered) * (RUN / 2) }
  end

  local function class_of(item)
    if not item.class then item.class = item.narrow and Set.as_lua(item.set) or item.text end
    return item.class
  end

  function Facts:runs(item)
    local class = class_of(item)
    local known = self.classes[class]
    if not known then
      local n = self.length
      local unmeasured = Set.is_full(item.set) or item.weight > HEAVY
      known = unmeasured and { n, n * (n + 1.0) / 2 } or measure(self.text, class)
      self.classes[class] = known
    end
    return known[1], known[2]
  end

  -- How many characters are of a class; the whole length where they are not few.
  function Facts:count(item)
    local class = class_of(item)
    local count = item.weight > HEAVY and self.length or self.counts[class]
    if not count then
      local most = self.length // 8
      count = 0
      local at = find(self.text, class)
      while at and count <= most do
        count, at = count + 1, find(self.text, class, at + 1)
      end
      if at then count = self.length end
      self.counts[class] = count
    end
    return count
  end

  -- As `runs`, of what lies between one place of a word and the next.
  function Facts:gaps(word)
    local known = self.words[word]
    if not known then
      local longest, sum, from = 0, 0.0, 1
      repeat
        local at = find(self.text, word, from, true)
        local length = (at or self.length + 1) - from + #word
        longest, sum, from = length > longest and length or longest, sum + length * (length + 1.0) / 2, from + length
      until not at
      known = { longest, sum }
      self.words[word] = known
    end
    return known[1], known[2]
  end

  -- What `%bxy` goes over: how many begin, the longest, and all together.
  local function balance(text, opening, closing)
    if opening == closing then return { #text, #text, 2 * #text } end
    local open, count, longest, sum = {}, 0, 0, 0
    local function ends(first, last)
      count, sum, longest = count + 1, sum + (last - first), last - first > longest and last - first or longest
    end
    local class = Set.as_lua(Set.union(Set.of(opening), Set.of(closing)))
    for at in gmatch(text, "()" .. class) do
      if byte(text, at) == opening then open[#open + 1] = at
      elseif #open > 0 then ends(remove(open), at) end
    end
    for i = 1, #open do ends(open[i], #text) end
    return { count, longest, sum }
  end

  function Facts:balance(item)
    local known = self.pairs[item.text]
    if not known then
      known = balance(self.text, item.opening, item.closing)
      self.pairs[item.text] = known
    end
    return known[1], known[2], known[3]
  end

  -- What a text of `length` bytes may be at worst.
  local WORST = {}
  WORST.__index = WORST
  function WORST:runs() return self.length, self.length * (self.length + 1.0) / 2 end
  function WORST:count() return self.length end
  function WORST:balance() return self.length, self.length, self.length * (self.length + 1.0) / 2 end

  local FIXED = { ["end"] = true, border = true, tail = true } -- once at each visit, and no more

  local function rest_of(items, i)
    local weight = 0
    for k = i, #items do weight = weight + items[k].weight end
    return weight
  end

  -- `visits`: how often the matcher comes to an item, all starts together; `here`: at one place at most.
  local function steps(shape, facts, counted)
    local n, items = facts.length, shape.items
    local visits, here = shape.anchored and 1.0 or n + 1.0, 1.0
    local cost = visits
    for i = 1, #items do
      local item, op = items[i], items[i].op
      cost = cost + visits * item.weight
      if op == "one" then
        if counted then visits = min(visits, here * facts:count(item)) end
      elseif op == "balance" then
        local count, longest, sum = facts:balance(item)
        cost = cost + min(visits * longest, here * sum)
        visits = min(visits, here * count)
      elseif op == "back" then
        cost, here = cost + visits * (n / 32), visits
      elseif FIXED[op] then
        goto done
      elseif item.sure then
        -- From here on every try is a match, and matches do not overlap: what they take is the text, once, and the end of each item.
        return cost + (n + visits) * rest_of(items, i) + visits * (#items - i + 1)
      elseif op == "opt" then
        if item.single then cost = cost + visits * item.lead else visits, here = 2 * visits, 2 * here end
      else
        if item.whole then visits, here = 1.0, 1.0 end -- it can take all that is left, so there is no second try
        local longest, sum = facts:runs(item)
        if item.starts then sum = min(sum, n) end
        if counted and item.word then
          local gap, gaps = facts:gaps(item.word) -- it stops at the word, at the latest
          longest, sum = min(longest, gap), min(sum, gaps)
        end
        local taken = min(visits * longest, here * sum) + visits
        cost = cost + taken * (item.weight + (item.single and item.lead or 0))
        here = min(here * (longest + 1), visits)
        if not item.single then visits = min(taken, here * (n + 1)) end
      end
      ::done::
    end
    return cost
  end

  return {
    facts = facts_of,
    -- On a text, as far as it needs to be known to see that it is at most `enough`.
    on = function(shape, facts, enough)
      if #shape.items > MANY then return steps(shape, raw.setmetatable({ length = facts.length }, WORST), false) end
      local cost = steps(shape, facts, false)
      if cost > enough then cost = steps(shape, facts, true) end
      return cost
    end,
    -- On any text of so many bytes.
    worst = function(shape, length) return steps(shape, raw.setmetatable({ length = length }, WORST), false) end,
  }
end, "lasts"
