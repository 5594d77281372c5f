local function act(...) return funcs.call("app:act", ...) end

return function()
  local a, b = channel.new(3), channel.new(3)
  for i = 1, 3 do a:send("a" .. i) b:send("b" .. i) end
  for i = 1, 6 do act("selected", channel.select({ b:case_receive(), a:case_receive() }).value) end
end
