-- expect: error refers to itself without end

return function(...)
  local ok, e = json.validate({ ["$ref"] = "#" }, 1)
  error(e)
end
