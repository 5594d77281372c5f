-- expect: error cyclic

return function(...)
  local d = {}
  d.d = d
  error(errors.new({ message = "cyclic", details = d }))
end
