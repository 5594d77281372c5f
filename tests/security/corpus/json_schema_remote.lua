-- expect: error cannot be resolved

return function(...)
  local ok, e = json.validate({ ["$ref"] = "http://169.254.169.254/latest" }, 1)
  error(e)
end
