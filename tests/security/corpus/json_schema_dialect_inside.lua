-- expect: error allowed at its root alone

return function(...)
  local ok, e = json.validate({ properties = { a = { ["$schema"] = "http://json-schema.org/draft-07/schema#", pattern = "(a+)+$" } } }, {})
  error(e)
end
