local function act(...) return funcs.call("app:act", ...) end

return function()
  local cache, made = {}, 0
  for i = 1, 20000 do
    local k = "k" .. i % 100
    if not cache[k] then cache[k] = { i } made = made + 1 end
    if i % 97 == 0 then cache[k] = nil end
  end
  act("made", made)
end
