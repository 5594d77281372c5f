-- What a run computes goes out as an activity's argument and comes back from history: a replay that computes anything
-- else than what was recorded fails here.
local funcs, json = require("funcs"), require("json")

local recorded = {}

function recorded.same(value)
  local computed = assert(json.encode(value))
  local remembered = assert(funcs.call("features:echo", computed))
  if remembered ~= computed then error("recorded " .. remembered .. ", computed " .. computed, 2) end
end

-- The kind of `err`, when there was no value.
function recorded.kind(value, err)
  if value ~= nil or err == nil then error("an error was expected", 2) end
  return err:kind()
end

-- The same with what else an error says, except for where it happened.
function recorded.about(value, err)
  local kind = recorded.kind(value, err)
  local details = {}
  for name, detail in pairs(err:details() or {}) do
    if name:sub(1, 1) ~= "_" then details[name] = detail end
  end
  return { kind = kind, message = err:message(), text = tostring(err), retryable = err:retryable(), details = details }
end

return recorded
