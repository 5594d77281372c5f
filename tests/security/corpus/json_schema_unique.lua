-- expect: harmless true

return function(...)
  local t = {}
  for i = 1, 20000 do t[i] = { a = i } end
  return (json.validate({ uniqueItems = true }, t))
end
