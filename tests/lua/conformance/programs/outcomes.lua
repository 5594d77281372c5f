-- methods: several nothing body_runs error_object error_text second_number second_table value_and_error raises raises_object coroutine_raises raises_table leaves_coroutines deadlock waits_for_itself spins spins_caught hoards globals
-- modules: time
local loads = 0
loads = loads + 1

return {
  several = function(v) return v, nil, 3 end,
  nothing = function() end,
  body_runs = function() return loads end,
  error_object = function() return nil, errors.new(errors.CONFLICT, "taken") end,
  error_text = function() return nil, "just text" end,
  second_number = function() return 1, 2 end,
  second_table = function() return 1, { "no error" } end,
  value_and_error = function() return 1, errors.new(errors.CONFLICT, "taken") end,
  raises = function() error("boom") end,
  raises_object = function() error(errors.new(errors.CONFLICT, "taken")) end,
  raises_table = function() error({ code = 1 }) end,
  coroutine_raises = function()
    coroutine.spawn(function() error("in a coroutine") end)
    return channel.new():receive("1h")
  end,
  leaves_coroutines = function()
    coroutine.spawn(function() time.sleep("24h") end)
    coroutine.spawn(function() channel.new():receive() end)
    time.sleep("1ms")
    return "done"
  end,
  deadlock = function()
    coroutine.spawn(function() channel.new():send(1) end)
    local value = channel.new():receive()
    return value
  end,
  waits_for_itself = function()
    local ch = channel.new()
    local result = channel.select({ ch:case_send(1), ch:case_receive() })
    return result.value
  end,
  spins = function() while true do end end,
  spins_caught = function()
    while true do pcall(function() while true do end end) end
  end,
  hoards = function()
    local hoard = {}
    for i = 1, 1e9 do hoard[i] = ("x"):rep(1000000) .. i end
  end,
  globals = function()
    counter = 1
    local before = counter
    counter = counter + 1
    return { before, _G.counter }
  end,
}
