--- The inventory service's part of the saga.

local errors = require("errors")
local service = require("http_service")

local URL = "INVENTORY_URL"

local M = {}

local function wanted(items)
  local list = {}
  for number, item in ipairs(items) do
    list[number] = { sku = item.sku, quantity = item.quantity }
  end
  return list
end

--- Being out of stock is a refusal, which is not retried by itself; but goods come in all day, so this one is.
function M.reserve(request)
  local answer, err = service.post(URL, "/reservations", { saga_id = request.saga_id, items = wanted(request.items) })
  local details = err and err:details()
  if details and details.reason == "out_of_stock" then
    return nil, errors.new({ kind = err:kind(), message = err:message(), retryable = true, details = details })
  end
  return answer, err
end

function M.confirm(request)
  return service.post(URL, "/reservations/confirm", { saga_id = request.saga_id })
end

function M.cancel(request)
  return service.post(URL, "/reservations/cancel", { saga_id = request.saga_id })
end

return M
