-- security: on whose behalf this runs, and what that one may do.
return function(K)
  local objects = K.use("modules/security/objects")
  local Actor, Scope = objects.Actor, objects.Scope
  local security = {}

  local own_actor = K.boot.actor and objects.actor(K.boot.actor.id, K.boot.actor.meta) or nil
  local own_scope = K.boot.scope and objects.scope(K.boot.scope) or nil
  function security.actor() return own_actor end
  function security.scope() return own_scope end

  function security.new_actor(id, meta)
    K.check(id, 1, "new_actor", "string")
    K.check(meta, 2, "new_actor", "table", true)
    return objects.actor(id, meta)
  end

  local function checked_id(id, fname, what)
    K.check(id, 1, fname, "string")
    if objects.fault(id) then return K.invalid("'%s' is no id of a %s: expected namespace:name", id, what) end
    return true
  end

  -- What is asked about: text, text, and a table that conditions look into.
  local function question(first, fname, action, resource, meta)
    K.check(action, first, fname, "string")
    K.check(resource, first + 1, fname, "string")
    K.check(meta, first + 2, fname, "table", true)
    if action == "" then return K.invalid("the action is empty") end
    if resource == "" then return K.invalid("the resource is empty") end
    local text, problem = K.json_encode(K.object(K.copy(meta or {})))
    if not text then return K.invalid("meta: %s", problem) end
    return { action = action, resource = resource, meta = text }
  end

  -- True; or false and PERMISSION_DENIED.
  function security.can(action, resource, meta)
    local fields, err = question(1, "can", action, resource, meta)
    if not fields then return false, err end
    local allowed
    allowed, err = K.request("security.can", fields)
    return allowed == true, err
  end

  -- Policies -------------------------------------------------------------------------------------------------------------

  -- "allow", "deny" or "undefined".
  local function evaluate(names, fname, actor, action, resource, meta)
    local fields, err = question(2, fname, action, resource, meta)
    if not fields then return nil, err end
    if actor ~= nil then
      fields.actor, err = objects.actor_of(actor, fname)
      if not fields.actor then return nil, err end
    end
    fields.names = names
    return K.request("security.evaluate", fields)
  end

  local Policy
  local policy_methods = {}
  function policy_methods:id() return Policy.self(self, "id").id end
  function policy_methods:evaluate(...) return evaluate({ Policy.self(self, "evaluate").id }, "evaluate", ...) end
  Policy = K.class("security.Policy", policy_methods, {
    __tostring = function(policy) return "security.Policy{" .. Policy.state(policy).id .. "}" end,
  }, function(state) return state.id end)

  function security.policy(id)
    local ok, err = checked_id(id, "policy", "policy")
    if not ok then return nil, err end
    ok, err = K.request("security.find", { name = id, what = "policy" })
    if err then return nil, err end
    return Policy.new({ id = id })
  end

  -- Scopes ---------------------------------------------------------------------------------------------------------------

  local function id_of(value, n, fname)
    local state = Policy.state(value)
    if state then return state.id end
    K.check(value, n, fname, "string")
    return value
  end

  -- Of policies and ids of policies and groups, all of which exist.
  function security.new_scope(items)
    K.check(items, 1, "new_scope", "table", true)
    local names = {}
    for i = 1, #(items or {}) do
      local name = id_of(items[i], 1, "new_scope")
      local ok, err = checked_id(name, "new_scope", "policy or group")
      if not ok then return nil, err end
      ok, err = K.request("security.find", { name = name, what = "policy or group" })
      if err then return nil, err end
      names[i] = name
    end
    return objects.scope(names)
  end

  function security.named_scope(id)
    local ok, err = checked_id(id, "named_scope", "group")
    if not ok then return nil, err end
    ok, err = K.request("security.find", { name = id, what = "group" })
    if err then return nil, err end
    return objects.scope({ id })
  end

  local methods = objects.scope_methods
  function methods:with(policy)
    local names = K.copy(Scope.self(self, "with").names)
    local ok, err = checked_id(id_of(policy, 1, "with"), "with", "policy or group")
    if not ok then return nil, err end
    names[#names + 1] = id_of(policy, 1, "with")
    return objects.scope(names)
  end
  function methods:without(policy)
    local names, id = {}, id_of(policy, 1, "without")
    for _, name in ipairs(Scope.self(self, "without").names) do
      if name ~= id then names[#names + 1] = name end
    end
    return objects.scope(names)
  end
  function methods:policies()
    local found, err = K.request("security.policies", { names = Scope.self(self, "policies").names })
    if err then return nil, err end
    local policies = {}
    for i, id in ipairs(found) do policies[i] = Policy.new({ id = id }) end
    return policies
  end
  function methods:contains(policy)
    local id = id_of(policy, 1, "contains")
    local found, err = K.request("security.policies", { names = Scope.self(self, "contains").names })
    if err then return nil, err end
    for _, known in ipairs(found) do
      if known == id then return true end
    end
    return false
  end
  function methods:evaluate(...) return evaluate(Scope.self(self, "evaluate").names, "evaluate", ...) end

  return security
end
