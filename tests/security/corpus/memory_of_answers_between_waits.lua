-- expect: memory

return function()
  local text, kept = ("x"):rep(1000000), {}
  while true do
    for _ = 1, 20 do kept[#kept + 1] = base64.encode(text) end
    time.sleep("1ms")
  end
end
