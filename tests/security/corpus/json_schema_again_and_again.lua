-- expect: budget

-- What looking at each keyword takes is charged, also where the schema is short.
return function()
  local schema = { ["$defs"] = { a0 = { type = "null" } }, ["$ref"] = "#/$defs/a8" }
  for i = 1, 8 do
    local to = { ["$ref"] = "#/$defs/a" .. i - 1 }
    schema["$defs"]["a" .. i] = { anyOf = { to, to, to } }
  end
  while true do json.validate(schema, 1) end
end
