-- Matches by RE2, in time that grows with the text only. The host is handed the whole text and answers with the places of many
-- matches at once, packed: each crossing copies the text, so the first answers are short, since a script may want one match
-- only, and later ones long.
return function(K)
  local raw = K.raw
  local sub, rep, unpack = raw.string.sub, raw.string.rep, raw.string.unpack
  local charge, min = K.limits.charge, raw.math.min
  local FIRST, MOST = 32, 16384 -- matches in an answer; fewer of those with many captures
  local EACH = 8 -- instructions for a match

  local linear = {}

  local function layout(form) return "<" .. rep("i4", 2 + 2 * form.captures) end

  -- The matches in `s` from `init` on, as `kernel/matches` takes them; nil when the host cannot.
  function linear.open(s, form, init, once)
    local captures, places = form.captures, form.places
    local size, format = 8 + 8 * captures, layout(form)
    local most, batch = once and 1 or FIRST, nil
    local at, last = 1, -1
    local spans, done = nil, false

    local function fetch()
      local asked = min(most, MOST // (captures + 1))
      local problem
      batch, problem = K.host("pattern.matches", s, form.regex, spans and spans[2] or init - 1, last, asked, form.anchored)
      if problem then return false end
      charge(#batch // size * EACH)
      done = form.anchored or #batch < asked * size
      at, most = 1, most * 4
      return true
    end
    if init > #s + 1 then
      batch, done = "", true
    elseif not fetch() then
      return nil
    end

    local function next_match()
      if at > #batch and not done then fetch() end
      if at > #batch then return nil end
      spans = { unpack(format, batch, at) }
      at, last = at + size, spans[2]
      return spans[1] + 1, last + 1
    end
    local function value(n)
      if n > captures then
        if n ~= 1 then K.misuse("invalid capture index %%%d", n) end
        return sub(s, spans[1] + 1, spans[2])
      end
      local first = spans[2 * n + 1]
      if places[n] then return first + 1 end
      return sub(s, first + 1, spans[2 * n + 2])
    end
    return { next = next_match, count = function() return captures end, value = value }
  end

  -- Where the part of a faulty pattern that RE2 can say first matches; behind the text when nowhere, nil when the host cannot tell.
  function linear.first(s, form, init)
    if init > #s + 1 then return init end
    local place, problem = K.host("pattern.matches", s, form.prefix, init - 1, -1, 1, form.anchored)
    if problem then return nil end
    return place == "" and #s + 2 or unpack("<i4", place) + 1
  end

  return linear
end, "lasts"
