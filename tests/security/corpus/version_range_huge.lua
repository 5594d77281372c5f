-- expect: harmless true
-- on: temporal

return function(...)
  local v, e = workflow.version("change", 1, 1 << 60)
  return v == nil and e:kind() == "Invalid"
end
