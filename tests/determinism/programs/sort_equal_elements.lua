local function act(...) return funcs.call("app:act", ...) end

return function()
  local t = {}
  for i = 1, 3000 do t[i] = { key = i % 7, id = i } end
  table.sort(t, function(a, b) return a.key < b.key end)
  local ids = {}
  for i, x in ipairs(t) do ids[i] = x.id end
  act("sorted", hash.md5(table.concat(ids, ",")))
end
