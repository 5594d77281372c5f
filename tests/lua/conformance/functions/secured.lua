-- methods: who calls can hands_on
-- modules: security funcs
local function who()
  local actor, scope = security.actor(), security.scope()
  local policies = {}
  for i, policy in ipairs(scope and scope:policies() or {}) do policies[i] = policy:id() end
  return { id = actor and actor:id(), meta = actor and actor:meta(), scope = scope and policies }
end
return {
  who = who,
  calls = function(id, ...) return funcs.call(id, ...) end,
  can = function(...)
    local allowed, err = security.can(...)
    return { allowed, err and err:message() }
  end,
  hands_on = function(actor, scope, id) return funcs.new():with_actor(actor):with_scope(scope):call(id) end,
}
