-- expect: budget

return function(...)
  local d = {}
  for i = 1, 40 do d = { d, d } end
  error(errors.new({ message = "wide", details = d }))
end
