-- expect: harmless true

return function(...)
  local _, e = pcall(function() return require("nothing") end)
  local _, f = pcall(function() return nil + 1 end)
  local _, g = pcall(string.rep)
  local _, h = pcall(setmetatable)
  local said = tostring(e) .. tostring(f) .. tostring(g) .. tostring(h)
  return not (said:find("%.py") or said:find("lupa") or said:find("/usr") or said:find("Traceback") or said:find("0x"))
end
