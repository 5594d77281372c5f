-- modules: time
-- imports: rules=approvals:rules
--- The workflow on a virtual clock: a week passes at once. `evermoon test entries/approvals --registry entries/approvals`
local test = require("test")
local rules = require("rules")

local LAPTOP = { title = "New laptop", requester = "ann", approver = "bob", manager = "cleo" }

--- A run whose list and outbox are tables of the test.
local function start(request, functions)
  local letters, records = {}, {}
  local run = test.start({
    entry = "approvals:approval",
    args = { request or LAPTOP },
    functions = functions or {
      ["approvals:notify"] = function(letter) letters[#letters + 1] = letter.to .. ": " .. letter.subject end,
      ["approvals:record"] = function(approval) records[#records + 1] = approval end,
    },
  })
  return run, letters, records
end

return test.describe("an approval", function()
  test.it("waits for days, and is approved with who and why", function()
    local run, letters = start()
    run:advance("50h")
    test.equal(run.state, "running")
    test.equal(run:query("state").status, "waiting")
    run:send("approve", { by = "bob", why = "it is time" })
    local approval = test.truthy(run:result())
    test.equal({ approval.status, approval.decided_by, approval.why }, { "approved", "bob", "it is time" })
    test.equal(letters, {
      "bob: your decision is asked for",
      "bob: reminder 1",
      "bob: reminder 2",
      "ann: approved by bob",
    })
  end)

  test.it("can be rejected, with a reason only", function()
    local run = start()
    run:send("reject", { by = "bob" })
    test.equal(run.state, "running")
    run:send("reject", { by = "bob", why = "no budget" })
    local approval = test.truthy(run:result())
    test.equal({ approval.status, approval.why }, { "rejected", "no budget" })
  end)

  test.it("turns to the manager after three days, who is reminded from then on", function()
    local run, letters = start()
    run:advance("73h")
    local approval = run:query("state")
    test.equal({ approval.status, approval.waiting_for }, { "escalated", "cleo" })
    run:advance("24h")
    test.equal(letters[#letters], "cleo: reminder 3")
    test.equal(letters[#letters - 1], "cleo: bob does not answer; it is up to you")
    run:send("approve", { by = "cleo" })
    test.equal(run:result().decided_by, "cleo")
  end)

  test.it("is not escalated to nobody", function()
    local run = start({ title = "New laptop", requester = "ann", approver = "bob" })
    run:advance("160h")
    test.equal(run:query("state").status, "waiting")
  end)

  test.it("expires after a week", function()
    local run, letters = start()
    run:advance("167h")
    test.equal(run.state, "running")
    run:advance("2h")
    test.equal(run.state, "done")
    test.equal({ run.value.status, run.value.why, run.value.reminders }, { "expired", "nobody decided within 168h", 5 })
    test.equal(letters[#letters], "ann: expired")
  end)

  test.it("waits as long as it is told to", function()
    local run = start({
      title = "New laptop", requester = "ann", approver = "bob",
      policy = { remind_every = "1m", expire_after = "150s" },
    })
    run:advance("3m")
    test.equal({ run.value.status, run.value.reminders }, { "expired", 2 })
  end)

  test.it("is withdrawn by who asked, and by nobody else", function()
    local run = start()
    run:send("withdraw", { by = "bob" })
    test.equal(run.state, "running")
    run:send("withdraw", { by = "ann", why = "found one" })
    test.equal(run:result().status, "withdrawn")
  end)

  test.it("ignores who was not asked, and what says nothing", function()
    local run = start()
    run:send("approve", { by = "ann" })
    run:send("approve", { by = "mallory" })
    run:send("approve")
    run:send("approve", "bob")
    run:send("hello", { by = "bob" })
    test.equal(run.state, "running")
    run:send("approve", { by = "cleo" })
    test.equal(run:result().decided_by, "cleo")
  end)

  test.it("says that it is canceled, and closes as such", function()
    local run, letters, records = start()
    run:cancel("project stopped")
    test.equal(run.state, "canceled")
    test.equal(records[#records].status, "canceled")
    test.equal(letters[#letters], "ann: canceled")
  end)

  test.it("is decided also while neither list nor outbox can be reached", function()
    local broken = function() return nil, errors.new(errors.UNAVAILABLE, "no database") end
    local run = start(nil, { ["approvals:notify"] = broken, ["approvals:record"] = broken })
    run:advance("25h")
    run:send("approve", { by = "bob" })
    test.equal(run:result().status, "approved")
  end)

  test.it("tells the list of everything that changes", function()
    local run, _, records = start()
    run:advance("80h")
    run:send("approve", { by = "cleo" })
    run:result()
    local seen = {}
    for i, record in ipairs(records) do
      test.equal(record.revision, i)
      seen[i] = record.status .. " " .. record.reminders
    end
    test.equal(seen, { "waiting 0", "waiting 1", "waiting 2", "escalated 2", "approved 2" })
  end)

  test.it("fails at once when it is malformed", function()
    for _, request in ipairs({ {}, { title = "x", requester = "ann", approver = "ann" }, { title = " ", requester = "a", approver = "b" } }) do
      local run = start(request)
      test.equal({ run.state, run.error:kind() }, { "failed", errors.INVALID })
    end
    local run = start({ title = "x", requester = "a", approver = "b", policy = { expire_after = "soon" } })
    test.equal({ run.state, run.error:kind() }, { "failed", errors.INVALID })
  end)
end)
