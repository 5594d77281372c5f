-- sql: databases. Whoever holds a database, a transaction or a statement holds only its id here; the host has the rest.
return function(K)
  local sql = {}

  sql.NULL = K.null
  sql.type = K.freeze({ SQLITE = "sqlite", POSTGRES = "postgres", MYSQL = "mysql" }, "sql.type")
  sql.isolation = K.freeze({
    DEFAULT = "default", READ_UNCOMMITTED = "read_uncommitted", READ_COMMITTED = "read_committed",
    REPEATABLE_READ = "repeatable_read", SERIALIZABLE = "serializable",
  }, "sql.isolation")

  -- Parameters: one array without holes. Text that is not UTF-8 goes as bytes.
  local function packed(params)
    local args = { n = 0 }
    for key in pairs(params or {}) do
      if math.type(key) ~= "integer" or key < 1 then
        return K.invalid("parameters are one array, and '%s' is no place in it", tostring(key))
      end
      args.n = math.max(args.n, key)
    end
    for i = 1, args.n do
      local value = params[i]
      if value == nil then return K.invalid("parameter %d is nil: use sql.NULL", i) end
      if type(value) == "string" and not utf8.len(value) then value = K.payload.bytes(value) end
      args[i] = value
    end
    return args
  end

  local function run(op, place, text, params)
    if text == "" then return K.invalid("the statement is empty") end
    if not utf8.len(text) then return K.invalid("the statement is not UTF-8 text") end
    local args, err = packed(params)
    if not args then return nil, err end
    return K.request(op, { id = place.id, tx = place.tx, sql = text, args = args })
  end

  local function query(place, text, params)
    local answer, err = run("sql.query", place, text, params)
    if err then return nil, err end
    for _, at in ipairs(answer.bytes) do
      local row = answer.rows[at[1]]
      row[at[2]] = K.host("base64.decode", row[at[2]])
    end
    return answer.rows
  end

  local function execute(place, text, params) return run("sql.execute", place, text, params) end

  -- `fn(place, ...)` unless what `self` stands for is over.
  local function method(class, name, fn)
    return function(self, ...)
      local place = class().self(self, name)
      if place.over or place.parent and place.parent.over then
        return K.invalid("the %s is %s", place.what, place.over or place.parent.over)
      end
      return fn(place, ...)
    end
  end

  local function statements(class, methods)
    for name, fn in pairs({ query = query, execute = execute }) do
      methods[name] = method(class, name, function(place, text, params)
        K.check(text, 1, name, "string")
        K.check(params, 2, name, "table", true)
        return fn(place, text, params)
      end)
    end
  end

  -- Statements -------------------------------------------------------------------------------------------------------

  local Statement
  do
    local methods = {}
    for name, fn in pairs({ query = query, execute = execute }) do
      methods[name] = method(function() return Statement end, name, function(place, params)
        K.check(params, 1, name, "table", true)
        return fn(place, place.text, params)
      end)
    end
    methods.close = method(function() return Statement end, "close", function(place)
      place.over = "closed"
      return true
    end)
    Statement = K.class("sql.Statement", methods, {})
  end

  local function prepare(place, text)
    K.check(text, 1, "prepare", "string")
    if text == "" then return K.invalid("the statement is empty") end
    return Statement.new({ what = "statement", id = place.id, tx = place.tx, text = text, parent = place })
  end

  -- Transactions -----------------------------------------------------------------------------------------------------

  local Transaction
  do
    local methods = {}
    local function class() return Transaction end
    statements(class, methods)
    methods.prepare = method(class, "prepare", prepare)
    methods.db_type = method(class, "db_type", function(place) return place.type end)
    for how, over in pairs({ commit = "committed", rollback = "rolled back" }) do
      methods[how] = method(class, how, function(place)
        place.over = over
        return K.request("sql.end", { tx = place.tx, how = how })
      end)
    end
    for _, how in ipairs({ "savepoint", "rollback_to", "release" }) do
      methods[how] = method(class, how, function(place, name)
        K.check(name, 1, how, "string")
        if not string.find(name, "^[%a_][%w_]*$") or #name > 63 then return K.invalid("'%s' is no name of a savepoint", name) end
        return K.request("sql.savepoint", { tx = place.tx, how = how, name = name })
      end)
    end
    Transaction = K.class("sql.Transaction", methods, {})
  end

  -- Databases --------------------------------------------------------------------------------------------------------

  local Database
  do
    local methods = {}
    local function class() return Database end
    statements(class, methods)
    methods.prepare = method(class, "prepare", prepare)
    methods.type = method(class, "type", function(place) return place.type end)
    methods.stats = method(class, "stats", function(place) return K.request("sql.stats", { id = place.id }) end)
    methods.release = method(class, "release", function(place)
      place.over = "released"
      return true
    end)
    methods.begin = method(class, "begin", function(place, options)
      K.check(options, 1, "begin", "table", true)
      for key, value in pairs(options or {}) do
        local wanted = key == "isolation" and "string" or key == "read_only" and "boolean" or nil
        if not wanted or type(value) ~= wanted then return K.invalid("begin: option '%s' will not do", tostring(key)) end
      end
      options = options or {}
      local tx, err = K.request("sql.begin", { id = place.id, isolation = options.isolation, read_only = options.read_only })
      if err then return nil, err end
      return Transaction.new({ what = "transaction", id = place.id, tx = tx, type = place.type })
    end)
    Database = K.class("sql.Database", methods, {})
  end

  function sql.get(id)
    K.check(id, 1, "get", "string")
    if id == "" then return K.invalid("the id of the database is empty") end
    local kind, err = K.request("sql.get", { id = id })
    if err then return nil, err end
    return Database.new({ what = "database", id = id, type = kind })
  end

  return sql
end
