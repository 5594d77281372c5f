--- A payment: ask the provider, write down what it said, tell the customer. Whoever accepted the command may die at any point.

local errors = require("errors")
local funcs = require("funcs")
local saga = require("saga")
local workflow = require("workflow")

local DECLINED = "Declined" -- means "no, and nothing happened"; after any other failure nobody knows

local function main(command)
  local op = workflow.info().workflow_id
  local undo = saga.new()
  undo:add("operations:refund", { op = op })
  workflow.status("asking the provider")
  local receipt, err = funcs.call("operations:ask", { op = op, amount = command.payload.amount, customer = command.biz_key })
  if not err then
    workflow.status("finalizing")
    local _
    _, err = funcs.call("operations:finalize", { op = op, customer = command.biz_key, number = receipt.number })
  end
  if not err then
    return receipt
  end
  if not errors.is(err, DECLINED) then
    workflow.status("giving the money back")
    undo:compensate()
  end
  return nil, err
end

return { main = main }
