-- methods: who tries
-- modules: funcs workflow
return {
  who = function() return funcs.call("fn:secured.who") end,
  -- What each of these gives when only funcs.call on fn:calls.add is allowed.
  tries = function(worker)
    local seen = {}
    local function note(value, err) seen[#seen + 1] = err and { err:kind(), err:message(), err:retryable() } or value end
    note(funcs.call("fn:calls.add", 1, 2))
    note(funcs.call("fn:calls.join", 1))
    note(funcs.async("fn:calls.join", 1))
    note(process.send("{conformance:worker|nobody}", "hello"))
    note(process.cancel("{conformance:worker|nobody}"))
    note(process.terminate("{conformance:worker|nobody}"))
    note(process.spawn("programs:child.add", worker, 1, 2))
    note(process.exec("programs:child.add", worker, 1, 2))
    note(funcs.new():with_actor({ id = "root" }):call("fn:calls.add", 1, 2))
    note(funcs.new():with_scope({}):call("fn:calls.add", 1, 2))
    note(process.send(process.pid(), "to itself"))
    for i, item in ipairs(seen) do
      if type(item) == "userdata" then seen[i] = { select(2, item:await()):kind() } end
    end
    return seen
  end,
}
