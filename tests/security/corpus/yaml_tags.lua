-- expect: harmless "timestamp true set true omap true pairs true int true float true binary true bool true null true"
-- instructions: 400000000

return function()
  local told = {}
  for _, tag in ipairs({ "timestamp", "set", "omap", "pairs", "int", "float", "binary", "bool", "null" }) do
    for _, text in ipairs({ "1", ("1"):rep(100000), "2001-99-99", "[a, [b]]", "{a: 1}", "\"\255\"", "'%'" }) do
      local _, err = yaml.decode("a: !!" .. tag .. " " .. text)
      if err and tostring(err):find("failed in the host") then error(err) end
    end
    told[#told + 1] = tag .. " true"
  end
  return table.concat(told, " ")
end
