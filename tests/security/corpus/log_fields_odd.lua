-- expect: harmless "said"

return function(...)
  logger:info("x", { 1, 2, 3 })
  logger:info("x", { [{}] = 1, [{}] = 2, [print] = 3, f = print, nan = 0 / 0, ["\xff"] = "\xfe" })
  local cyclic = {}
  cyclic.c = cyclic
  logger:info("x", cyclic)
  return "said"
end
