-- For whom something runs: actor and scope from caller to callee, and what a scope refuses.
-- modules: funcs
-- hosts: virtual temporal process
local test = require("test")

local WORKER = "conformance:worker"
local ANN = { id = "ann", meta = { role = "clerk", deep = { n = 1.5, list = {} } } }
local CALLERS = { "conformance:callers" }

local here = process.pid():find("@", 1, true)

-- A program as an execution of its own, for ann in this scope.
local function run(scope, name, ...)
  if here then return funcs.new():with_actor(ANN):with_scope(scope):call("programs:" .. name, ...) end
  return process.with_context({}):with_actor(ANN):with_scope(scope):exec("programs:" .. name, WORKER, ...)
end

return test.describe("security", function()
  test.describe("actor and scope", function()
    test.it("there are none to begin with", function() test.equal(funcs.call("fn:secured.who"), {}) end)
    test.it("a callee has those of its executor", function()
      local executor = funcs.new():with_actor(ANN):with_scope(CALLERS)
      test.equal(executor:call("fn:secured.who"), { id = "ann", meta = ANN.meta, scope = { "conformance:callers" } })
      test.equal(executor:async("fn:secured.who"):await().id, "ann")
      test.equal(funcs.call("fn:secured.who"), {})
    end)
    test.it("an executor is not changed by what is made of it", function()
      local plain = funcs.new()
      local ann = plain:with_actor(ANN)
      ann:with_actor({ id = "bob" })
      test.equal(ann:call("fn:secured.who"), { id = "ann", meta = ANN.meta })
      test.equal(plain:call("fn:secured.who"), {})
    end)
    test.it("what was handed over is a copy", function()
      local actor = { id = "ann", meta = { role = "clerk" } }
      local executor = funcs.new():with_actor(actor)
      actor.id, actor.meta.role = "eve", "chief"
      test.equal(executor:call("fn:secured.who"), { id = "ann", meta = { role = "clerk" } })
    end)
    test.it("they go on with an execution to what it calls", function()
      test.equal(run({ "conformance:staff" }, "secured.who"), { id = "ann", meta = ANN.meta, scope = { "conformance:callers", "conformance:no_text" } })
    end)
    test.it("a callee that may hands over others", { on = "process" }, function()
      local executor = funcs.new():with_actor(ANN)
      test.equal(executor:call("fn:secured.hands_on", { id = "bob" }, {}, "fn:secured.who"), { id = "bob", meta = {}, scope = {} })
    end)
    test.it("what is too large for a header is INVALID", { on = "temporal" }, function()
      local large = { blob = ("x"):rep(3000000) }
      test.fails({ errors.INVALID, "actor and scope" }, funcs.new():with_actor({ id = "x", meta = large }):call("fn:secured.who"))
      test.fails({ errors.INVALID, "actor and scope" }, process.with_context(large):exec("programs:secured.who", WORKER))
      test.equal(funcs.call("fn:secured.who"), {})
    end)
    test.it("what is neither raises, an id that is none is INVALID", function()
      test.raises("security.Actor", function() funcs.new():with_actor("ann") end)
      test.raises("security.Actor", function() process.with_context({}):with_actor({}) end)
      test.raises("security.Scope", function() process.with_context({}):with_scope("conformance:callers") end)
      test.fails(errors.INVALID, funcs.new():with_actor({ id = "" }))
      test.fails(errors.INVALID, funcs.new():with_actor({ id = "x", meta = { print } }))
      test.fails(errors.INVALID, process.with_context({}):with_scope({ "callers" }))
      test.fails(errors.INVALID, process.with_context({}):with_scope({ 5 }))
    end)
  end)

  test.describe("a scope", function()
    test.it("lets do what it allows and refuses the rest, naming it", function()
      local function refused(what) return { errors.PERMISSION_DENIED, what .. " is not allowed to ann", false } end
      test.equal(run(CALLERS, "secured.tries", WORKER), {
        3, refused("funcs.call on fn:calls.join"), { errors.PERMISSION_DENIED }, refused("process.send on nobody"),
        refused("process.cancel on nobody"), refused("process.terminate on nobody"), refused("process.spawn on programs:child.add"),
        refused("process.exec on programs:child.add"), refused("funcs.security on actor"), refused("funcs.security on scope"), true,
      })
    end)
    test.it("that is empty allows nothing", function()
      test.fails({ errors.PERMISSION_DENIED, "funcs.call on fn:secured.who" }, run({}, "secured.who"))
    end)
    test.it("with a name that nobody knows allows nothing", function()
      test.fails(errors.PERMISSION_DENIED, run({ "conformance:callers", "conformance:gone" }, "secured.who"))
    end)
    test.it("of a group: one that denies wins", function()
      local executor = funcs.new():with_actor(ANN):with_scope({ "conformance:staff" })
      test.equal(executor:call("fn:secured.can", "read", "doc:1", { kind = "image" }), { true })
      test.equal(executor:call("fn:secured.can", "read", "doc:1", { kind = "text" }), { false, "read on doc:1 is not allowed to ann" })
      test.equal(executor:call("fn:secured.can", "write", "doc:1"), { false, "write on doc:1 is not allowed to ann" })
      test.equal(funcs.call("fn:secured.can", "write", "doc:1"), { true })
    end)
  end)
end)
