-- expr: expressions of the Go library expr-lang over the values a script gives them. All but regular
-- expressions is Lua, so an expression is under the instruction budget of the script, and reaches nothing but its environment.
return function(K)
  local MAX_TEXT = 65536
  local lexer = K.use("modules/expr/lexer")
  local parse = K.use("modules/expr/parser")
  local closure = K.use("modules/expr/eval")
  local plain = K.use("modules/expr/values").plain
  local Program

  -- Runs fn; its value, or nil and the error of a fault. What else is raised goes on.
  local function protected(fn, ...)
    local ok, value = pcall(fn, ...)
    if ok then return value end
    local err = lexer.error_of(value)
    if err then return nil, err end
    error(value, 0)
  end

  local function compiled(text) return closure((parse(text))) end

  local function compile(text)
    if #text > MAX_TEXT then return K.invalid("expr: the expression is longer than %d bytes", MAX_TEXT) end
    return protected(compiled, text)
  end

  local function run(evaluate, env)
    local value, err = protected(evaluate, { env = env or {} })
    if err then return nil, err end
    return plain(value)
  end

  local methods = {}
  function methods:run(env)
    local state = Program.self(self, "run")
    K.check(env, 1, "run", "table", true)
    return run(state.evaluate, env)
  end
  Program = K.class("expr.program", methods, {})

  local expr = {}

  function expr.compile(text)
    K.check(text, 1, "compile", "string")
    local evaluate, err = compile(text)
    if not evaluate then return nil, err end
    return Program.new({ evaluate = evaluate })
  end

  function expr.eval(text, env)
    K.check(text, 1, "eval", "string")
    K.check(env, 2, "eval", "table", true)
    local evaluate, err = compile(text)
    if not evaluate then return nil, err end
    return run(evaluate, env)
  end

  return expr
end
