local function act(...) return funcs.call("app:act", ...) end

return function()
  act("json", json.encode({ b = { 1, 2.0, 0.1, 1e100, -0.0 }, a = { x = {}, y = json.object{} }, ["10"] = 1, ["9"] = 2 }))
  local _, e = json.encode({ 1, x = 2 })
  act("fault", tostring(e))
end
