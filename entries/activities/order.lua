--- The order service's part of the saga.

local service = require("http_service")

local URL = "ORDER_URL"

local M = {}

function M.create(request)
  return service.post(URL, "/orders", {
    saga_id = request.saga_id,
    order_id = request.order_id,
    customer = request.customer,
    amount = request.amount,
    items = request.items,
  })
end

function M.confirm(request)
  return service.post(URL, "/orders/confirm", { saga_id = request.saga_id })
end

function M.cancel(request)
  return service.post(URL, "/orders/cancel", { saga_id = request.saga_id })
end

return M
