-- Actors and scopes, as scripts hold them and as they are handed to the host. In files of their own, so that a workflow, which has no
-- `security`, can hand one on.
return function(K)
  local objects = {}

  local Actor, Scope

  -- What is wrong with an id of a policy or group; nil when nothing is.
  local function fault(id)
    if type(id) ~= "string" then return "a " .. K.type(id) end
    if not string.find(id, "^[^:]+:[^:]+$") then return "'" .. id .. "'" end
  end

  -- `meta` becomes JSON and back: it is a copy, and holds nothing that cannot travel.
  function objects.actor(id, meta)
    if id == "" then return K.invalid("the id of the actor is empty") end
    local text, problem = K.json_encode(K.object(K.copy(meta or {})))
    if not text then return K.invalid("the actor's meta: %s", problem) end
    return Actor.new({ id = id, meta = K.json_decode(text) })
  end

  function objects.scope(names) return Scope.new({ names = names }) end

  -- An actor, or a table {id, meta}, for the wire. Or nil and INVALID; raises for anything else.
  function objects.actor_of(value, fname)
    local state = Actor.state(value)
    if not state then
      if K.type(value) ~= "table" or type(value.id) ~= "string" then
        K.misuse("bad argument #1 to '%s' (security.Actor or {id =, meta =} expected, got %s)", fname, K.class_name(value) or K.type(value))
      end
      if value.meta ~= nil and K.type(value.meta) ~= "table" then
        K.misuse("bad argument #1 to '%s' (meta: table expected, got %s)", fname, K.type(value.meta))
      end
      local made, err = objects.actor(value.id, value.meta)
      if not made then return nil, err end
      state = Actor.state(made)
    end
    return { id = state.id, meta = K.object(K.copy(state.meta)) }
  end

  -- A scope, or an array of ids of policies and groups, for the wire.
  function objects.scope_of(value, fname)
    local state = Scope.state(value)
    if state then return state.names end
    if K.type(value) ~= "table" then
      K.misuse("bad argument #1 to '%s' (security.Scope or an array of ids expected, got %s)", fname, K.class_name(value) or K.type(value))
    end
    local names = {}
    for i = 1, #value do
      local problem = fault(value[i])
      if problem then return K.invalid("%s is no id of a policy or group: expected namespace:name", problem) end
      names[i] = value[i]
    end
    return names
  end

  local methods = {}
  function methods:id() return Actor.self(self, "id").id end
  function methods:meta() return K.copy(Actor.self(self, "meta").meta) end
  Actor = K.class("security.Actor", methods, {
    __tostring = function(actor) return "security.Actor{" .. Actor.state(actor).id .. "}" end,
  }, function(state) return { id = state.id, meta = K.object(K.copy(state.meta)) } end)

  objects.scope_methods = {}
  Scope = K.class("security.Scope", objects.scope_methods, {
    __tostring = function(scope) return "security.Scope{" .. table.concat(Scope.state(scope).names, ", ") .. "}" end,
  }, function(state) return K.copy(state.names) end)

  objects.Actor, objects.Scope, objects.fault = Actor, Scope, fault
  return objects
end
