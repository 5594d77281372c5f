local function act(...) return funcs.call("app:act", ...) end

return function()
  act("objects", tostring(channel.new()), tostring(funcs.new()), tostring(process.inbox()), tostring(string), tostring(print))
end
