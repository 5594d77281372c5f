-- expect: error nested too deeply

return function(...)
  local ok, e = json.validate_string(("["):rep(100000), "1")
  error(e)
end
