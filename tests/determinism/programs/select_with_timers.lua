local function act(...) return funcs.call("app:act", ...) end

return function()
  local t1, t2 = time.after("2s"), time.after("1s")
  for i = 1, 2 do
    local r = channel.select({ t1:case_receive(), t2:case_receive() })
    act("first", r.channel == t2)
  end
end
