local function act(...) return funcs.call("app:act", ...) end

-- What was printed last says where exactly the budget ended.
return function()
  act("before")
  local text, n = ("x"):rep(5000), 0
  while true do
    n = n + 1
    local _, _ = text:upper(), text:rep(2)
    if n % 50 == 0 then print(n) end
  end
end
