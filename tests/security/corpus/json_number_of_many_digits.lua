-- expect: harmless true

return function(...)
  local ok, e = json.validate_string("{}", ("1"):rep(5000))
  return not tostring(e):find("sys%.")
end
