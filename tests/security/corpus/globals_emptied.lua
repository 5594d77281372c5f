-- expect: harmless "done"

return function(...)
  local keys = {}
  for k in pairs(_G) do keys[#keys + 1] = k end
  local time, G, ipairs = time, _G, ipairs
  for _, k in ipairs(keys) do if k ~= "time" then G[k] = nil end end
  time.sleep("1s")
  return "done"
end
