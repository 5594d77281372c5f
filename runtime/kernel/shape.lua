-- What a Lua pattern may cost at worst, seen from its form: each repetition that something follows multiplies the work by the
-- length of the text. Kept per pattern, since most are constants used again and again.
return function(K)
  local raw = K.raw
  local byte, find, sub = raw.string.byte, raw.string.find, raw.string.sub
  local KEPT = 500

  local Shape = {}
  Shape.__index = Shape

  -- Position behind the single-character class at `p`; nil when the pattern is malformed, which the matcher will say.
  local function class_end(pattern, p)
    local c = byte(pattern, p)
    if c == 37 then return p + 2 end -- %x
    if c ~= 91 then return p + 1 end
    p = p + 1
    if byte(pattern, p) == 94 then p = p + 1 end
    repeat
      if p > #pattern then return nil end
      if byte(pattern, p) == 37 then p = p + 1 end
      p = p + 1
    until byte(pattern, p) == 93
    return p + 1
  end

  local function special(shape, pattern, p)
    local c = byte(pattern, p)
    if c == 40 or c == 41 then return p + 1 end -- captures match nothing by themselves
    if c ~= 37 then return nil end
    c = byte(pattern, p + 1)
    if c == 98 then -- %b: goes through the text like a repetition
      shape.scans = shape.scans + 1
      return p + 4
    elseif c == 102 then -- %f
      return p + 2
    elseif c and c >= 48 and c <= 57 then -- %1
      shape.scans = shape.scans + 1
      return p + 2
    end
    return nil
  end

  local function analyse(pattern)
    local shape = raw.setmetatable({ repeats = 0, scans = 0, optional = 0, items = 1, last = false }, Shape)
    local p = 1
    if byte(pattern, 1) == 94 then
      shape.anchored = true
      p = 2
    end
    while p and p <= #pattern do
      local after = special(shape, pattern, p)
      if not after then
        after = class_end(pattern, p)
        if not after then break end
        shape.items, shape.last = shape.items + 1, false
        local suffix = byte(pattern, after)
        if suffix == 42 or suffix == 43 or suffix == 45 then -- * + -
          shape.repeats, shape.class, shape.last = shape.repeats + 1, sub(pattern, p, after - 1), suffix ~= 45
          after = after + 1
        elseif suffix == 63 then -- ?
          shape.optional = shape.optional + 1
          after = after + 1
        end
      elseif byte(pattern, p) == 37 then
        shape.last = false
      end
      p = after
    end
    return shape
  end

  -- Starting at every place of a run of one class, and giving the run back byte by byte, is the square of its length.
  local function squares(s, init, class, most)
    local sum = 0
    local first, last = find(s, class .. "+", init)
    while first do
      sum = sum + (last - first + 1) * (last - first + 2)
      if sum > most then break end
      first, last = find(s, class .. "+", last + 1)
    end
    return sum
  end

  -- As `squares`, remembered for a text that is gone through from place to place.
  function Shape:squares(s, init, most)
    local known = self.known
    if not (known and known.text == s and known.init <= init and known.most >= most) then
      known = { text = s, init = init, most = most, sum = squares(s, init, self.class, most) }
      self.known = known
    end
    return known.sum
  end

  -- Steps at worst over the `length` bytes of `s` from `init` on. Need not be exact above `most`.
  function Shape:work(s, init, length, most)
    local starts = self.anchored and 1 or length + 1
    local each = self.items * 2.0 ^ raw.math.min(self.optional, 60)
    if self.scans == 0 and (self.repeats == 0 or self.repeats == 1 and self.last) then
      return starts * each + (self.repeats == 1 and length or 0)
    end
    local work = starts * each * (length + 1.0) ^ (self.repeats + self.scans)
    if work > most and self.repeats == 1 and self.scans == 0 and length * each < most then
      work = starts * each + self:squares(s, init, most / each) * each
    end
    return work
  end

  local kept, count = {}, 0
  return function(pattern)
    local shape = kept[pattern]
    if not shape then
      if count >= KEPT then kept, count = {}, 0 end
      shape = analyse(pattern)
      kept[pattern], count = shape, count + 1
    end
    return shape
  end
end
