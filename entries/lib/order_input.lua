--- What an order has to look like: {id?, customer, items = {{sku, quantity, price}, ...}, amount?}, money in cents.

local errors = require("errors")

-- Bounds that keep a total far inside 64 bits.
local MOST_ITEMS <const> = 1000
local MOST_PIECES <const> = 1000000
local MOST_PRICE <const> = 100000000

local M = {}

local function is_text(value)
  return type(value) == "string" and value ~= ""
end

local function is_count(value, least, most)
  return math.type(value) == "integer" and value >= least and value <= most
end

--- Whether a value can be an order's id: safe in a path and in a PID.
function M.is_id(value)
  return is_text(value) and #value <= 100 and not value:find("[^%w._-]") and not value:find("^%.+$")
end

local function item_fault(item)
  if type(item) ~= "table" then
    return "must be an object"
  end
  if not is_text(item.sku) then
    return "sku must be a text that is not empty"
  end
  if not is_count(item.quantity, 1, MOST_PIECES) then
    return "quantity must be an integer from 1 to " .. MOST_PIECES
  end
  if not is_count(item.price, 0, MOST_PRICE) then
    return "price must be an integer from 0 to " .. MOST_PRICE .. ", in cents"
  end
end

local function fault(order)
  if type(order) ~= "table" then
    return "an order must be an object"
  end
  if order.id ~= nil and not M.is_id(order.id) then
    return "id must be 1 to 100 letters, digits, dots, dashes or underscores"
  end
  if not is_text(order.customer) then
    return "customer must be a text that is not empty"
  end
  if type(order.items) ~= "table" or not is_count(#order.items, 1, MOST_ITEMS) then
    return "items must be a list of 1 to " .. MOST_ITEMS .. " items"
  end
  for number, item in ipairs(order.items) do
    local wrong = item_fault(item)
    if wrong then
      return "items[" .. number .. "]: " .. wrong
    end
  end
end

local function total(items)
  local sum = 0
  for _, item in ipairs(items) do
    sum = sum + item.quantity * item.price
  end
  return sum
end

--- → the order with its amount | nil, INVALID naming the field and what is wrong with it
function M.check(order)
  local wrong = fault(order)
  if wrong then
    return nil, errors.new({ kind = errors.INVALID, message = "order: " .. wrong, retryable = false })
  end
  local amount = total(order.items)
  if order.amount ~= nil and order.amount ~= amount then
    local message = "order: amount is " .. tostring(order.amount) .. ", the items cost " .. amount
    return nil, errors.new({ kind = errors.INVALID, message = message, retryable = false })
  end
  return { id = order.id, customer = order.customer, items = order.items, amount = amount }
end

return M
