-- expect: error takes too long
-- instructions: 60000000

return function(...)
  local defs = { d31 = json.object{} }
  for i = 1, 30 do
    local ref = { ["$ref"] = "#/$defs/d" .. (i + 1) }
    defs["d" .. i] = { allOf = { ref, ref } }
  end
  local ok, e = json.validate({ ["$defs"] = defs, ["$ref"] = "#/$defs/d1" }, 1)
  error(e)
end
