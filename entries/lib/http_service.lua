--- Calls to the shop's services from an activity: idempotent, and with the service's own errors.

local activity = require("activity")
local env = require("env")
local errors = require("errors")
local http_client = require("http_client")
local json = require("json")

local TIMEOUT = 25 -- seconds; below the activities' start-to-close, so that the failure says more than "timed out"

--- The error a problem+json answer describes; `details.attempt` says which attempt of the activity met it.
local function refusal(response)
  local problem = json.decode(response.body)
  if type(problem) ~= "table" or type(problem.kind) ~= "string" then
    return errors.new({ kind = errors.UNAVAILABLE, message = "unexpected answer, status " .. response.status_code })
  end
  local details = type(problem.details) == "table" and problem.details or {}
  details.attempt = activity.info().attempt
  return errors.new({ kind = problem.kind, message = problem.detail, retryable = problem.retryable, details = details })
end

local M = {}

--- Posts `body` to `path` of the service whose URL `variable` holds. → the decoded answer | nil, error
-- All attempts of one activity carry the same key, so the service acts once however often it is asked.
function M.post(variable, path, body)
  local url, unset = env.get(variable)
  if unset then
    return nil, unset
  end
  local response, unreachable = http_client.post(url .. path, {
    json = body,
    headers = { ["X-Idempotency-Key"] = activity.idempotency_key() },
    timeout = TIMEOUT,
  })
  if unreachable then
    return nil, unreachable
  end
  if response.status_code >= 300 then
    return nil, refusal(response)
  end
  return json.decode(response.body)
end

return M
