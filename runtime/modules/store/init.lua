-- store: keys and values. A handle holds the store's id; the host has the rest.
return function(K)
  local store = {}
  local Store
  local methods = {}

  -- `fn(state, ...)` unless the handle was released.
  local function method(name, fn)
    methods[name] = function(self, ...)
      local state = Store.self(self, name)
      if state.released then return K.invalid("the store is released") end
      return fn(state, ...)
    end
  end

  -- `op` about one key, with further fields.
  local function about(op, fname, state, key, fields)
    K.check(key, 1, fname, "string")
    if key == "" then return K.invalid("the key is empty") end
    if not utf8.len(key) then return K.invalid("the key is not UTF-8 text") end
    fields = fields or {}
    fields.id, fields.key = state.id, key
    return K.request(op, fields)
  end

  -- A record as scripts see it: the value in place of its text.
  local function record(fields)
    local value
    if fields.json then value = K.json_decode(fields.json) else value = K.host("base64.decode", fields.base64) end
    fields.json, fields.base64 = nil, nil
    fields.value = value
    return fields
  end

  -- A time to live as the host reads it: seconds or text; a Duration is turned into seconds.
  local function seconds(ttl)
    if ttl == nil or type(ttl) == "number" or type(ttl) == "string" then return ttl end
    local ns, problem = K.parse_duration(ttl)
    if not ns then return K.invalid("ttl: %s", problem) end
    return ns / 1e9
  end

  local function put(fname, state, key, value, fields)
    K.check(key, 1, fname, "string")
    if value == nil then return K.invalid("the value is nil: use delete") end
    local ttl, err = seconds(fields.ttl)
    if err then return nil, err end
    fields.ttl, fields.args = ttl, { value, n = 1 }
    return about("store.put", fname, state, key, fields)
  end

  method("get", function(state, key) return about("store.get", "get", state, key) end)
  method("has", function(state, key) return about("store.has", "has", state, key) end)
  method("delete", function(state, key) return about("store.delete", "delete", state, key) end)
  method("entry", function(state, key)
    local fields, err = about("store.entry", "entry", state, key)
    if err then return nil, err end
    return record(fields)
  end)

  method("set", function(state, key, value, ttl)
    local _, err = put("set", state, key, value, { ttl = ttl })
    if err then return nil, err end
    return true
  end)

  local function options(given, known, fname)
    local fields = {}
    for key, value in pairs(given or {}) do
      local wanted = known[key]
      local fits = wanted and (wanted == "any" or type(value) == wanted or wanted == "integer" and math.type(value) == "integer")
      if not fits then return K.invalid("%s: option '%s' will not do", fname, tostring(key)) end
      fields[key] = value
    end
    return fields
  end

  method("put", function(state, key, value, given)
    K.check(given, 3, "put", "table", true)
    local fields, err = options(given, { only_if_absent = "boolean", if_version = "integer", ttl = "any" }, "put")
    if not fields then return nil, err end
    return put("put", state, key, value, fields)
  end)

  method("list", function(state, given)
    K.check(given, 1, "list", "table", true)
    local fields, err = options(given, { prefix = "string", after = "string", limit = "integer" }, "list")
    if not fields then return nil, err end
    fields.id = state.id
    local found
    found, err = K.request("store.list", fields)
    if err then return nil, err end
    for i = 1, #found do found[i] = record(found[i]) end
    return found
  end)

  method("info", function(state) return K.request("store.info", { id = state.id }) end)

  function methods:release()
    Store.self(self, "release").released = true
    return true
  end

  Store = K.class("store.Store", methods, {
    __tostring = function(self) return Store.state(self).released and "store.Store{released}" or "store.Store{}" end,
  })

  function store.get(id)
    K.check(id, 1, "get", "string")
    if id == "" then return K.invalid("the id of the store is empty") end
    local _, err = K.request("store.open", { id = id })
    if err then return nil, err end
    return Store.new({ id = id })
  end

  return store
end
