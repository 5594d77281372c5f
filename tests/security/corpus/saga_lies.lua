-- expect: harmless [false,1]

return function(...)
  local s = saga.new()
  s:add("no:such")
  local ok, failures = s:compensate()
  return { ok, #failures }
end
