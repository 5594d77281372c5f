local function act(...) return funcs.call("app:act", ...) end

return function()
  for _, zone in ipairs({ "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC" }) do
    act("zone", tostring(time.now():in_location(time.load_location(zone))))
  end
end
