local function act(...) return funcs.call("app:act", ...) end

return function()
  for _, f in ipairs({ function() local t = {} return t.x.y end, function() return {} + 1 end, function() return #5 end,
    function() return {} < {} end, function() return ("x")() end, function() error({}) end }) do
    act("said", tostring(select(2, pcall(f))))
  end
end
