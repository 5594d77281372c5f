-- methods: busy kind after
-- modules: activity outcome time
local function attempt() return activity.info().attempt end
return {
  busy = function() return nil, errors.new(errors.UNAVAILABLE, "busy, attempt " .. attempt()) end,
  kind = function(kind) return nil, errors.new(kind, "attempt " .. attempt()) end,
  after = function()
    if attempt() == 1 then return outcome.retry("busy", "10ms") end
    return outcome.ok("attempt " .. attempt())
  end,
}
