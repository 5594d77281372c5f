-- A tree -> closures. Each takes R, the state of one run: `env`, and by number the slots of `let` and predicates.
return function(K)
  local fail = K.use("modules/expr/lexer").fail
  local throw = K.use("modules/expr/lexer").throw
  local values = K.use("modules/expr/values")
  local functions = K.use("modules/expr/builtins").functions
  local pattern = K.use("modules/expr/strings").pattern
  local expect, plain, stored = values.expect, values.plain, values.stored
  local type_of, described = values.type, values.described
  local MAX_RANGE = 1000000
  local SKIP = {} -- what the rest of a chain gives once `?.` met nil

  -- Operators on values ----------------------------------------------------------------------------------------------------

  local function numbers(a, b, at, op)
    if type(a) ~= "number" or type(b) ~= "number" then
      fail(at, "%s: cannot take %s and %s", op, described(a), described(b))
    end
  end

  local function strings(a, b, at, op)
    expect(a, "string", at, op)
    expect(b, "string", at, op)
  end

  local operators = {}
  operators["+"] = function(a, b, at)
    if type(a) == "string" and type(b) == "string" then return a .. b end
    numbers(a, b, at, "+")
    return a + b
  end
  operators["-"] = function(a, b, at)
    numbers(a, b, at, "-")
    return a - b
  end
  operators["*"] = function(a, b, at)
    numbers(a, b, at, "*")
    return a * b
  end
  operators["/"] = function(a, b, at)
    numbers(a, b, at, "/")
    return a / b
  end
  operators["**"] = function(a, b, at)
    numbers(a, b, at, "**")
    return a ^ b
  end
  operators["%"] = function(a, b, at)
    local dividend, divisor = values.integer(a, at, "%"), values.integer(b, at, "%")
    if divisor == 0 then fail(at, "division by zero") end
    return math.fmod(dividend, divisor)
  end
  operators["=="] = function(a, b, at) return values.equal(a, b, at) end
  operators["!="] = function(a, b, at) return not values.equal(a, b, at) end
  operators["<"] = function(a, b, at) return values.less(a, b, at, "<") end
  operators[">"] = function(a, b, at) return values.less(b, a, at, ">") end
  operators["<="] = function(a, b, at)
    return values.less(a, b, at, "<=") or not values.less(b, a, at, "<=") and values.equal(a, b, at)
  end
  operators[">="] = function(a, b, at) return operators["<="](b, a, at) end
  operators.contains = function(a, b, at)
    strings(a, b, at, "contains")
    return string.find(a, b, 1, true) ~= nil
  end
  operators.startsWith = function(a, b, at)
    strings(a, b, at, "startsWith")
    return string.sub(a, 1, #b) == b
  end
  operators.endsWith = function(a, b, at)
    strings(a, b, at, "endsWith")
    return b == "" or string.sub(a, -#b) == b
  end
  operators.matches = function(a, b, at)
    strings(a, b, at, "matches")
    return pattern(b, at)(a)
  end
  operators["in"] = function(a, b, at)
    local kind = type_of(b)
    if kind == "nil" then return false end
    if kind == "map" then return a ~= nil and plain(b[a]) ~= nil end
    if kind ~= "array" then fail(at, "in: %s holds nothing", described(b)) end
    for i = 1, #b do
      if values.equal(a, b[i], at) then return true end
    end
    return false
  end
  operators[".."] = function(a, b, at)
    local first, last = values.integer(a, at, ".."), values.integer(b, at, "..")
    if last >= first and (last - first < 0 or last - first >= MAX_RANGE) then
      fail(at, "a range of more than %d items", MAX_RANGE)
    end
    local out = {}
    for i = first, last do out[#out + 1] = i end
    K.json_marks[out] = "array"
    return out
  end

  -- Nodes ------------------------------------------------------------------------------------------------------------------

  local compile = {}
  local function closure(node) return compile[node.kind](node) end
  local function closures(nodes)
    local list = {}
    for i, node in ipairs(nodes) do list[i] = closure(node) end
    return list
  end

  function compile.literal(node)
    local value = node.value
    return function() return value end
  end
  function compile.env() return function(R) return R.env end end
  function compile.name(node)
    local name = node.name
    return function(R) return plain(R.env[name]) end
  end
  function compile.slot(node)
    local slot = node.slot
    return function(R) return plain(R[slot]) end
  end
  function compile.let(node)
    local slot, value, body = node.slot, closure(node.value), closure(node.body)
    return function(R)
      R[slot] = value(R)
      return body(R)
    end
  end

  function compile.chain(node)
    local value = closure(node.value)
    return function(R)
      local found = value(R)
      if found == SKIP then return nil end
      return found
    end
  end
  function compile.member(node)
    local object, key, optional, at = closure(node.object), closure(node.key), node.optional, node.at
    return function(R)
      local from = object(R)
      if from == SKIP or optional and from == nil then return SKIP end
      return values.fetch(from, key(R), at)
    end
  end
  function compile.slice(node)
    local object, at, optional = closure(node.object), node.at, node.optional
    local from, to = node.from and closure(node.from), node.to and closure(node.to)
    return function(R)
      local whole = object(R)
      if whole == SKIP or optional and whole == nil then return SKIP end
      return values.slice(whole, from and from(R), to and to(R), at)
    end
  end
  function compile.call(node)
    local callee, args, at, name = closure(node.callee), closures(node.args), node.at, node.name
    return function(R)
      local fn = callee(R)
      if fn == SKIP then return SKIP end
      if type(fn) ~= "function" then fail(at, "'%s' is %s, not a function", name, described(fn)) end
      local given = {}
      for i = 1, #args do given[i] = args[i](R) end
      local value, err = fn(table.unpack(given, 1, #args))
      if value == nil and K.is_error(err) then throw(err) end
      return plain(value)
    end
  end

  local function predicate(own)
    local body, item, index, acc = closure(own.body), own.item, own.index, own.acc
    return function(R)
      return function(value, position, accumulated)
        R[item], R[index], R[acc] = value, position, accumulated
        return body(R)
      end
    end
  end
  function compile.builtin(node)
    local fn, at, args = functions[node.name], node.at, {}
    for i, arg in ipairs(node.args) do args[i] = i == node.predicate and predicate(arg) or closure(arg) end
    local count = #args
    return function(R)
      local given = {}
      for i = 1, count do given[i] = args[i](R) end
      return plain(fn(at, table.unpack(given, 1, count)))
    end
  end

  function compile.array(node)
    local items = closures(node.items)
    return function(R)
      local out = {}
      for i = 1, #items do out[i] = stored(items[i](R)) end
      K.json_marks[out] = "array"
      return out
    end
  end
  function compile.map(node)
    local keys, items = closures(node.keys), closures(node.items)
    return function(R)
      local out = K.object({})
      for i = 1, #items do out[expect(keys[i](R), "string", node.at, "a key")] = items[i](R) end
      return out
    end
  end

  function compile.unary(node)
    local value, at, op = closure(node.value), node.at, node.op
    if op == "not" then
      return function(R) return not expect(value(R), "bool", at, "not") end
    elseif op == "-" then
      return function(R) return -expect(value(R), "number", at, "-") end
    end
    return function(R) return expect(value(R), "number", at, "+") end
  end

  -- `and`, `or` and `??` leave out what does not count.
  local lazy = {}
  lazy["and"] = function(left, right, at)
    return function(R) return expect(left(R), "bool", at, "and") and expect(right(R), "bool", at, "and") end
  end
  lazy["or"] = function(left, right, at)
    return function(R) return expect(left(R), "bool", at, "or") or expect(right(R), "bool", at, "or") end
  end
  lazy["??"] = function(left, right)
    return function(R)
      local value = left(R)
      if value == nil then return right(R) end
      return value
    end
  end
  function compile.binary(node)
    local left, right, at, op = closure(node.left), closure(node.right), node.at, node.op
    if lazy[op] then return lazy[op](left, right, at) end
    if op == "matches" and node.right.kind == "literal" and type(node.right.value) == "string" then
      local found = pattern(node.right.value, node.right.at)
      return function(R) return found(expect(left(R), "string", at, op)) end
    end
    local apply = operators[op]
    return function(R) return apply(left(R), right(R), at) end
  end

  function compile.condition(node)
    local test, yes, no, at = closure(node.test), closure(node.yes), closure(node.no), node.at
    return function(R)
      if expect(test(R), "bool", at, "?:") then return yes(R) end
      return no(R)
    end
  end
  function compile.elvis(node)
    local value, no, at = closure(node.value), closure(node.no), node.at
    return function(R) return expect(value(R), "bool", at, "?:") or no(R) end
  end

  return closure
end
