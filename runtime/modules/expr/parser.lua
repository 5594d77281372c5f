-- Tokens -> a tree: a Pratt parser with the operators and precedences of the Go library expr-lang. Names are resolved here:
-- what `let` and predicates bind gets a numbered slot, everything else is looked up in the environment.
return function(K)
  local lexer = K.use("modules/expr/lexer")
  local builtins = K.use("modules/expr/builtins").signatures
  local cursor = K.use("modules/expr/cursor")
  local peek, is, take, accept, expect = cursor.peek, cursor.is, cursor.take, cursor.accept, cursor.expect
  local name, node, literal, new_slot = cursor.name, cursor.node, cursor.literal, cursor.new_slot
  local fail, unexpected = lexer.fail, cursor.unexpected
  local MAX_DEPTH = 100

  local UNARY = { ["not"] = 50, ["!"] = 50, ["-"] = 90, ["+"] = 90 }
  local BINARY = {
    ["|"] = 1, ["or"] = 10, ["||"] = 10, ["and"] = 15, ["&&"] = 15, ["=="] = 20, ["!="] = 20, ["<"] = 20, [">"] = 20,
    ["<="] = 20, [">="] = 20, ["in"] = 20, matches = 20, contains = 20, startsWith = 20, endsWith = 20, [".."] = 25,
    ["+"] = 30, ["-"] = 30, ["*"] = 60, ["/"] = 60, ["%"] = 60, ["**"] = 100, ["^"] = 100, ["??"] = 500,
  }
  local NEGATABLE = { ["in"] = true, matches = true, contains = true, startsWith = true, endsWith = true }
  local RIGHT = { ["**"] = true, ["^"] = true }
  local SAME = { ["||"] = "or", ["&&"] = "and", ["!"] = "not", ["^"] = "**" }
  local CONSTANTS = { ["true"] = { value = true }, ["false"] = { value = false }, ["nil"] = {} }

  local expression

  -- Calls ------------------------------------------------------------------------------------------------------------------

  local function predicate(P)
    local outer = P.predicate
    local own = { item = new_slot(P), index = new_slot(P), acc = new_slot(P) }
    P.predicate = own
    local braces = accept(P, "{")
    own.body = expression(P, 0)
    if braces then expect(P, "}") end
    P.predicate = outer
    return own
  end

  -- What is between the parentheses; `piped` comes first.
  local function arguments(P, piped, place)
    local list = { piped }
    expect(P, "(")
    while not accept(P, ")") do
      if #list > (piped and 1 or 0) then
        expect(P, ",")
        if accept(P, ")") then break end
      end
      list[#list + 1] = place and #list + 1 == place and predicate(P) or expression(P, 0)
    end
    return list
  end

  local function builtin(P, token, piped)
    local signature = builtins[token.text]
    local args = arguments(P, piped, signature.predicate)
    if #args < signature.min or #args > signature.max then
      fail(token.at, "%s takes %s arguments, not %d", token.text,
        signature.min == signature.max and signature.min or signature.min .. " to " .. signature.max, #args)
    end
    return node(P, "builtin", token.at, { name = token.text, args = args, predicate = signature.predicate })
  end

  local function variable(P, token)
    local slot = P.scope[token.text]
    if slot then return node(P, "slot", token.at, { slot = slot }) end
    if token.text == "$env" then return node(P, "env", token.at, {}) end
    return node(P, "name", token.at, { name = token.text })
  end

  local function call(P, token, piped)
    if builtins[token.text] and not P.scope[token.text] then return builtin(P, token, piped) end
    return node(P, "call", token.at, { callee = variable(P, token), args = arguments(P, piped), name = token.text })
  end

  -- Members, items, slices -------------------------------------------------------------------------------------------------

  local function bracket(P, object, at, optional)
    local from
    if not is(P, ":") then
      from = expression(P, 0)
      if accept(P, "]") then return node(P, "member", at, { object = object, key = from, optional = optional }) end
    end
    expect(P, ":")
    local to = not is(P, "]") and expression(P, 0) or nil
    expect(P, "]")
    return node(P, "slice", at, { object = object, from = from, to = to, optional = optional })
  end

  local function member(P, object, optional)
    local token = name(P)
    local found = node(P, "member", token.at, { object = object, key = literal(P, token.at, token.text), optional = optional })
    if not is(P, "(") then return found end
    return node(P, "call", token.at, { callee = found, args = arguments(P), name = token.text })
  end

  local function postfix(P, value)
    local optional = false
    while true do
      local token = peek(P)
      if accept(P, ".") then
        value = member(P, value)
      elseif accept(P, "?.") then
        optional = true
        value = accept(P, "[") and bracket(P, value, token.at, true) or member(P, value, true)
      elseif accept(P, "[") then
        value = bracket(P, value, token.at)
      elseif is(P, "(") then
        value = node(P, "call", token.at, { callee = value, args = arguments(P), name = "value" })
      else
        -- Where a `?.` meets nil, the rest of this chain is left out.
        return optional and node(P, "chain", token.at, { value = value }) or value
      end
    end
  end

  -- Primaries --------------------------------------------------------------------------------------------------------------

  local function array(P, at)
    local items = {}
    while not accept(P, "]") do
      if #items > 0 then
        expect(P, ",")
        if accept(P, "]") then break end
      end
      items[#items + 1] = expression(P, 0)
    end
    return node(P, "array", at, { items = items })
  end

  local function map_key(P)
    local token = take(P)
    if token.kind == "name" or token.kind == "string" or token.kind == "number" or string.find(token.text, "^%a") then
      return literal(P, token.at, token.kind == "string" and token.value or token.text)
    elseif token.text == "(" and token.kind == "operator" then
      local key = expression(P, 0)
      expect(P, ")")
      return key
    end
    fail(token.at, "a key expected, not %s", token.text)
  end

  local function map(P, at)
    local keys, items = {}, {}
    while not accept(P, "}") do
      if #keys > 0 then
        expect(P, ",")
        if accept(P, "}") then break end
      end
      keys[#keys + 1] = map_key(P)
      expect(P, ":")
      items[#items + 1] = expression(P, 0)
    end
    return node(P, "map", at, { keys = keys, items = items })
  end

  -- `#`, `#index`, `#acc`, and `.field` for `#.field`.
  local function pointer(P, token)
    local own = P.predicate or fail(token.at, "'%s' is only for predicates", token.text)
    if token.text == "." then return member(P, node(P, "slot", token.at, { slot = own.item })) end
    local following = peek(P)
    if following.kind == "name" and following.at == token.at + 1 then
      take(P)
      local slot = (following.text == "index" or following.text == "acc") and own[following.text]
      return node(P, "slot", token.at, { slot = slot or fail(token.at, "unknown pointer #%s", following.text) })
    end
    return node(P, "slot", token.at, { slot = own.item })
  end

  local function primary(P)
    local token = take(P)
    if token.kind == "number" or token.kind == "string" then return postfix(P, literal(P, token.at, token.value)) end
    if token.kind == "name" then
      local constant = CONSTANTS[token.text]
      if constant then return postfix(P, literal(P, token.at, constant.value)) end
      return postfix(P, is(P, "(") and call(P, token) or variable(P, token))
    end
    local binds = token.kind == "operator" and UNARY[token.text]
    if binds then
      return node(P, "unary", token.at, { op = SAME[token.text] or token.text, value = expression(P, binds) })
    end
    if token.text == "(" and token.kind == "operator" then
      local value = expression(P, 0)
      expect(P, ")")
      return postfix(P, value)
    elseif token.kind == "operator" and (token.text == "#" or token.text == ".") then
      return postfix(P, pointer(P, token))
    elseif token.kind == "operator" and token.text == "[" then
      return postfix(P, array(P, token.at))
    elseif token.kind == "operator" and token.text == "{" then
      return postfix(P, map(P, token.at))
    end
    unexpected(token)
  end

  -- Expressions ------------------------------------------------------------------------------------------------------------

  local function let(P)
    take(P)
    local token = name(P)
    expect(P, "=")
    local value, slot = expression(P, 0), new_slot(P)
    expect(P, ";")
    local outer = P.scope
    P.scope = setmetatable({ [token.text] = slot }, { __index = outer })
    local body = expression(P, 0)
    P.scope = outer
    return node(P, "let", token.at, { slot = slot, value = value, body = body })
  end

  local function conditional(P, value)
    while true do
      local token = peek(P)
      if accept(P, "?") then
        local yes = expression(P, 0)
        expect(P, ":")
        value = node(P, "condition", token.at, { test = value, yes = yes, no = expression(P, 0) })
      elseif accept(P, "?:") then
        value = node(P, "elvis", token.at, { value = value, no = expression(P, 0) })
      else
        return value
      end
    end
  end

  local function binary(P, left, minimum)
    while true do
      local token = peek(P)
      if token.kind ~= "operator" then return left end
      local following = P.tokens[P.at + 1]
      local negated = token.text == "not" and following.kind == "operator" and NEGATABLE[following.text]
      local operator = negated and following.text or token.text
      local binds = BINARY[operator]
      if not binds or binds < minimum then return left end
      take(P)
      if negated then take(P) end
      if operator == "|" then
        left = postfix(P, call(P, name(P), left))
      else
        local right = expression(P, RIGHT[operator] and binds or binds + 1)
        left = node(P, "binary", token.at, { op = SAME[operator] or operator, left = left, right = right })
        if negated then left = node(P, "unary", token.at, { op = "not", value = left }) end
      end
    end
  end

  function expression(P, minimum)
    P.depth = P.depth + 1
    if P.depth > MAX_DEPTH then fail(peek(P).at, "the expression is nested deeper than %d", MAX_DEPTH) end
    local value
    local token, following = peek(P), P.tokens[P.at + 1]
    if minimum == 0 and token.kind == "name" and token.text == "let" and following.kind == "name" then
      value = let(P)
    else
      value = binary(P, primary(P), minimum)
      if minimum == 0 then value = conditional(P, value) end
    end
    P.depth = P.depth - 1
    return value
  end

  -- The tree of an expression.
  return function(text)
    local P = cursor.new(lexer.tokens(text))
    local tree = expression(P, 0)
    if peek(P).kind ~= "end" then unexpected(peek(P)) end
    return tree
  end
end
