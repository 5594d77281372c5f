-- text: regular expressions of RE2's syntax, and long texts in pieces.
return function(K)
  local MOST = 10000 -- matches of one call

  -- Regular expressions ------------------------------------------------------------------------------------------------

  local Regexp
  local methods = {}

  -- The matches: of each a list of begin and end (as in string.find) of the whole and of every group, end below begin for one without.
  local function find(self, fname, text, limit)
    local state = Regexp.self(self, fname)
    K.check(text, 1, fname, "string")
    local packed, err = K.host("text.find", state.pattern, text, limit)
    if not packed then return nil, err end
    local width, found = 2 * (state.groups + 1), {}
    for at = 1, #packed, 4 * width do
      local places = {}
      for i = 1, width do
        local place = string.unpack("<i4", packed, at + 4 * (i - 1))
        places[i] = i % 2 == 1 and place + 1 or place
      end
      found[#found + 1] = places
    end
    return found
  end

  local function part(text, places, group)
    local first, last = places[2 * group + 1], places[2 * group + 2]
    return first > 0 and string.sub(text, first, last) or ""
  end
  local function parts(text, places)
    local list = {}
    for group = 0, #places // 2 - 1 do list[group + 1] = part(text, places, group) end
    return list
  end
  local function whole(text, places) return part(text, places, 0) end
  local function index(_, places) return { places[1], places[2] } end

  local function first_of(fname, shape)
    methods[fname] = function(self, text)
      local found, err = find(self, fname, text, 1)
      if not found then return nil, err end
      return found[1] and shape(text, found[1])
    end
  end
  local function all_of(fname, shape)
    methods[fname] = function(self, text)
      local found, err = find(self, fname, text, MOST)
      if not found then return nil, err end
      for i = 1, #found do found[i] = shape(text, found[i]) end
      return found
    end
  end
  first_of("find_string", whole)
  first_of("find_string_index", index)
  first_of("find_string_submatch", parts)
  all_of("find_all_string", whole)
  all_of("find_all_string_index", index)
  all_of("find_all_string_submatch", parts)

  function methods:match_string(text)
    local found, err = find(self, "match_string", text, 1)
    if not found then return nil, err end
    return #found > 0
  end

  -- What `$1`, `${name}` and `$$` of a replacement stand for.
  local function expanded(state, replacement, text, places)
    local function group_of(name)
      local group = math.tointeger(tonumber(name)) or state.places[name]
      return group and group <= state.groups and part(text, places, group) or ""
    end
    return (string.gsub(replacement, "%$(%$?)({?)([%w_]*)(}?)", function(dollar, open, name, close)
      if dollar == "$" then return "$" .. open .. name .. close end
      return group_of(name) .. (open == "" and close or "")
    end))
  end

  function methods:replace_all_string(text, replacement)
    local state = Regexp.self(self, "replace_all_string")
    K.check(replacement, 2, "replace_all_string", "string")
    local found, err = find(self, "replace_all_string", text, MOST)
    if not found then return nil, err end
    local out, at = {}, 1
    for i = 1, #found do
      local places = found[i]
      out[#out + 1] = string.sub(text, at, places[1] - 1)
      out[#out + 1] = expanded(state, replacement, text, places)
      at = places[2] + 1
    end
    out[#out + 1] = string.sub(text, at)
    return table.concat(out)
  end

  -- The pieces between matches, at most `most` of them where that is above 0.
  function methods:split(text, most)
    K.check(most, 2, "split", "integer", true)
    local found, err = find(self, "split", text, MOST)
    if not found then return nil, err end
    local pieces, at = {}, 1
    for i = 1, #found do
      if most and most > 0 and #pieces == most - 1 then break end
      local first, last = found[i][1], found[i][2]
      if last >= first or (first > 1 and first <= #text) then
        pieces[#pieces + 1] = string.sub(text, at, first - 1)
        at = last + 1
      end
    end
    pieces[#pieces + 1] = string.sub(text, at)
    return pieces
  end

  function methods:num_subexp() return Regexp.self(self, "num_subexp").groups end
  function methods:subexp_names() return K.copy(Regexp.self(self, "subexp_names").names) end
  function methods:string() return Regexp.self(self, "string").pattern end

  Regexp = K.class("Regexp", methods, { __tostring = function(self) return Regexp.state(self).pattern end })

  local regexp = {}
  function regexp.compile(pattern)
    K.check(pattern, 1, "compile", "string")
    local groups, names = K.host("text.compile", pattern)
    if not groups then return nil, names end
    local state = { pattern = pattern, groups = groups, names = {}, places = {} }
    for name in string.gmatch(names .. "\n", "(.-)\n") do
      if #state.names < groups then
        state.names[#state.names + 1] = name
        if name ~= "" then state.places[name] = #state.names end
      end
    end
    return Regexp.new(state)
  end

  -- Long texts in pieces -----------------------------------------------------------------------------------------------

  local Splitter
  local splitting = {}

  local function length(text) return utf8.len(text) or #text end

  -- The first `count` characters, and the rest.
  local function cut(text, count)
    local at = utf8.offset(text, count + 1)
    if not at or at > #text then return text, "" end
    return string.sub(text, 1, at - 1), string.sub(text, at)
  end

  -- The parts of a text between separators, each with the separator before it where those are kept.
  local function between(text, separator, keep)
    local list, at = {}, 1
    while true do
      local first, last = string.find(text, separator, at, true)
      if not first then break end
      list[#list + 1] = string.sub(text, at, first - 1)
      at = keep and first or last + 1
      if keep then
        local next_first = string.find(text, separator, last + 1, true)
        list[#list + 1] = string.sub(text, first, (next_first or #text + 1) - 1)
        at = next_first or #text + 1
      end
    end
    list[#list + 1] = string.sub(text, at)
    return list
  end

  -- Parts put together to pieces of up to the size, each of which begins with as much of the one before as may overlap.
  local function merged(state, list, glue, out)
    local kept, size, glued = {}, 0, length(glue)
    local function emit()
      local piece = table.concat(kept, glue)
      if piece ~= "" then out[#out + 1] = piece end
    end
    for i = 1, #list do
      local long = length(list[i])
      if #kept > 0 and size + glued + long > state.size then
        emit()
        while #kept > 0 and (size > state.overlap or size + glued + long > state.size) do
          size = size - length(table.remove(kept, 1)) - (#kept > 0 and glued or 0)
        end
      end
      size = size + long + (#kept > 0 and glued or 0)
      kept[#kept + 1] = list[i]
    end
    emit()
  end

  local function split(state, text, level, out)
    local separator = state.separators[level]
    if length(text) <= state.size then
      if text ~= "" then out[#out + 1] = text end
      return
    end
    if separator == nil or separator == "" then
      while true do
        local piece, rest = cut(text, state.size)
        out[#out + 1] = piece
        if rest == "" then return end
        local _
        _, text = cut(text, state.size - state.overlap)
      end
    end
    local small = {}
    local glue = state.keep and "" or separator
    for _, piece in ipairs(between(text, separator, state.keep)) do
      if length(piece) <= state.size then
        if piece ~= "" then small[#small + 1] = piece end
      else
        merged(state, small, glue, out)
        small = {}
        split(state, piece, level + 1, out)
      end
    end
    merged(state, small, glue, out)
  end

  function splitting:split_text(text)
    local state = Splitter.self(self, "split_text")
    K.check(text, 1, "split_text", "string")
    if not utf8.len(text) then return K.invalid("split_text: the text is not UTF-8") end
    local out = {}
    split(state, text, 1, out)
    return out
  end

  Splitter = K.class("Splitter", splitting, {})

  local splitter = {}
  function splitter.recursive(options)
    K.check(options, 1, "recursive", "table", true)
    options = options or {}
    local size, overlap = options.chunk_size or 4000, options.chunk_overlap or 200
    K.check(size, 1, "recursive", "integer")
    K.check(overlap, 1, "recursive", "integer")
    if size < 1 or overlap < 0 or overlap >= size then
      return K.invalid("splitter: chunk_size %d and chunk_overlap %d: the overlap is smaller than the size, which is at least 1", size, overlap)
    end
    local separators = options.separators or { "\n\n", "\n", " ", "" }
    K.check(separators, 1, "recursive", "table")
    for i = 1, #separators do K.check(separators[i], 1, "recursive", "string") end
    return Splitter.new({ size = size, overlap = overlap, keep = options.keep_separator == true, separators = K.copy(separators) })
  end

  return { regexp = K.freeze(regexp, "text.regexp"), splitter = K.freeze(splitter, "text.splitter") }
end, "lasts"
