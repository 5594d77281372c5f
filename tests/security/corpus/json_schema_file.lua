-- expect: error cannot be resolved

return function(...)
  local ok, e = json.validate({ ["$ref"] = "file:///etc/passwd" }, 1)
  error(e)
end
