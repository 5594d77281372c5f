--- The provider's HTTP interface. All calls of one key are one call to it.

local env = require("env")
local errors = require("errors")
local http_client = require("http_client")
local json = require("json")

local M = {}

--- → status, the decoded answer | nil, error
function M.post(path, key, body)
  local url, unset = env.get("PROVIDER_URL")
  if unset then
    return nil, unset
  end
  local response, unreachable = http_client.post(url .. path, { json = body, headers = { ["Idempotency-Key"] = key }, timeout = 4 })
  if unreachable then
    return nil, unreachable
  end
  if response.status_code >= 500 and response.status_code ~= 503 then
    return nil, errors.new({ kind = errors.UNAVAILABLE, message = "the provider answers " .. response.status_code })
  end
  return response.status_code, json.decode(response.body)
end

return M
