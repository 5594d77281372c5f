-- The automaton behind `matches`: a program of sets, splits and assertions, and a search that keeps every state at once.
return function(K)
  local engine = {}

  -- Building ---------------------------------------------------------------------------------------------------------------

  local build = {}

  local function emit(program, instruction)
    if #program >= program.limit then error(program, 0) end
    program[#program + 1] = instruction
    return instruction
  end

  local function add(program, node) build[node.kind](program, node) end

  function build.set(program, node) emit(program, { op = "set", ranges = node.ranges }) end
  function build.assert(program, node) emit(program, { op = "assert", what = node.what }) end

  function build.list(program, node)
    for _, item in ipairs(node) do add(program, item) end
  end

  function build.choice(program, node)
    local exits = {}
    for i, choice in ipairs(node.choices) do
      if i == #node.choices then
        add(program, choice)
      else
        local split = emit(program, { op = "split" })
        split.x = #program + 1
        add(program, choice)
        exits[i] = emit(program, { op = "split" })
        split.y = #program + 1
      end
    end
    for _, exit in ipairs(exits) do exit.x, exit.y = #program + 1, #program + 1 end
  end

  build["repeat"] = function(program, node)
    for _ = 1, node.min do
      local size = #program
      add(program, node.node)
      if #program == size then return end -- nothing, however often
    end
    if not node.max then
      local split = emit(program, { op = "split" })
      local start = #program
      split.x = #program + 1
      add(program, node.node)
      emit(program, { op = "split", x = start, y = start })
      split.y = #program + 1
      return
    end
    local splits = {}
    for i = 1, node.max - node.min do
      splits[i] = emit(program, { op = "split" })
      splits[i].x = #program + 1
      add(program, node.node)
    end
    for _, split in ipairs(splits) do split.y = #program + 1 end
  end

  -- The program of a node, or nil when it has more than `limit` instructions.
  function engine.program(node, limit)
    local program = { limit = limit }
    local ok, problem = pcall(add, program, node)
    if not ok then
      if problem == program then return nil end
      error(problem, 0)
    end
    program[#program + 1] = { op = "match" }
    return program
  end

  -- Searching --------------------------------------------------------------------------------------------------------------

  local function is_word(code)
    return code ~= nil and (code >= 48 and code <= 57 or code >= 65 and code <= 90 or code == 95 or code >= 97 and code <= 122)
  end

  local HOLDS = {
    start = function(before) return before == nil end,
    ["end"] = function(_, after) return after == nil end,
    ["line start"] = function(before) return before == nil or before == 10 end,
    ["line end"] = function(_, after) return after == nil or after == 10 end,
    boundary = function(before, after) return is_word(before) ~= is_word(after) end,
    ["no boundary"] = function(before, after) return is_word(before) == is_word(after) end,
  }

  -- Puts the states reached from `first` without reading into `states`; true when one of them is the match.
  local function enter(program, first, states, seen, before, after)
    local stack, top = { first }, 1
    while top > 0 do
      local at = stack[top]
      top = top - 1
      if not seen[at] then
        seen[at] = true
        local instruction = program[at]
        local op = instruction.op
        if op == "match" then
          return true
        elseif op == "set" then
          states[#states + 1] = at
        elseif op == "split" then
          stack[top + 1], stack[top + 2] = instruction.x, instruction.y
          top = top + 2
        elseif HOLDS[instruction.what](before, after) then
          top = top + 1
          stack[top] = at + 1
        end
      end
    end
    return false
  end

  -- Whether the program matches anywhere in `codes`.
  function engine.search(program, codes, within)
    local states = {}
    for i = 1, #codes + 1 do
      local reached, seen = {}, {}
      local before, after = codes[i - 1], codes[i]
      for _, at in ipairs(states) do
        if within(program[at].ranges, before) and enter(program, at + 1, reached, seen, before, after) then return true end
      end
      if enter(program, 1, reached, seen, before, after) then return true end
      states = reached
    end
    return false
  end

  return engine
end
