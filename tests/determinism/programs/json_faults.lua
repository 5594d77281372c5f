local function act(...) return funcs.call("app:act", ...) end

return function()
  for _, v in ipairs({ { [1.5] = 1 }, { 1, nil, 3 }, { f = print }, { a = { b = { 0 / 0 } } }, { ["\xff"] = 1 } }) do
    act("fault", tostring(select(2, json.encode(v))))
  end
end
