-- methods: charges adds sleeps listens
-- modules: funcs time workflow ctx
return {
  charges = function(order)
    local receipt, err = funcs.call("shop:charge", order)
    if err then return nil, err end
    return receipt.receipt
  end,
  adds = function() return funcs.call("fn:calls.add", 1, 2) end,
  sleeps = function(d)
    local _, err = time.sleep(d)
    if err then return nil, err end
    return "slept"
  end,
  listens = function()
    local total = 0
    workflow.query("who", function() return (ctx.get("who")) end)
    workflow.update("add", function(n)
      total = total + n
      return total
    end)
    local said = process.listen("go"):receive()
    return { said, total }
  end,
}
