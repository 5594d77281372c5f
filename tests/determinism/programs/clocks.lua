local function act(...) return funcs.call("app:act", ...) end

return function()
  act("clock", os.time(), os.date(), os.date("!%c"), os.clock(), tostring(time.now()))
  time.sleep("90m")
  act("clock", os.time(), os.date("%A %B %j"), os.clock(), time.now():format("Mon Jan 2 15:04:05.000 MST 2006"))
end
