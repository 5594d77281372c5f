-- expect: error root

return function(...)
  local e = errors.new("root")
  for i = 1, 1000 do e = errors.wrap(e, "more") end
  error(e)
end
