local function act(...) return funcs.call("app:act", ...) end

return function()
  logger:with({ z = 1, a = 2 }):info("line", { m = { y = 1, b = { 3, 2 } }, f = print })
  print({}, function() end, 0 / 0, nil, true)
  act("done")
end
