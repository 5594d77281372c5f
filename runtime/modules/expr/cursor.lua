-- Where the parser is: the tokens it reads, the nodes it makes and the slots it gives out. P is one parse: tokens, at (an
-- index), nodes (made), depth, slots (used), scope (name -> slot), predicate (the slots of the innermost one).
return function(K)
  local fail = K.use("modules/expr/lexer").fail
  local MAX_NODES = 10000
  local cursor = {}

  function cursor.new(tokens)
    return { tokens = tokens, at = 1, nodes = 0, depth = 0, slots = 0, scope = {} }
  end

  local function peek(P) return P.tokens[P.at] end

  local function is(P, text)
    local token = peek(P)
    return token.kind == "operator" and token.text == text
  end

  local function take(P)
    local token = peek(P)
    if token.kind ~= "end" then P.at = P.at + 1 end
    return token
  end

  local function unexpected(token) fail(token.at, "unexpected %s", token.kind == "end" and "end" or "'" .. token.text .. "'") end

  local function accept(P, text)
    if is(P, text) then return take(P) end
  end

  local function expect(P, text)
    return accept(P, text) or fail(peek(P).at, "'%s' expected, not %s", text, peek(P).text)
  end

  local function name(P)
    local token = take(P)
    if token.kind == "name" or token.kind == "operator" and string.find(token.text, "^%a") then return token end
    fail(token.at, "a name expected, not %s", token.text)
  end

  local function node(P, kind, at, fields)
    P.nodes = P.nodes + 1
    if P.nodes > MAX_NODES then fail(at, "the expression has more than %d parts", MAX_NODES) end
    fields.kind, fields.at = kind, at
    return fields
  end

  function cursor.literal(P, at, value) return node(P, "literal", at, { value = value }) end

  function cursor.new_slot(P)
    P.slots = P.slots + 1
    return P.slots
  end

  cursor.peek, cursor.is, cursor.take, cursor.accept, cursor.expect = peek, is, take, accept, expect
  cursor.name, cursor.node, cursor.unexpected = name, node, unexpected
  return cursor
end
