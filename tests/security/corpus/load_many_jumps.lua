-- expect: budget

-- Labels, gotos, breaks, conditions and branches of one function are kept in lists that the compiler walks again and again.
return function()
  local labels = {}
  for i = 1, 20000 do labels[i] = "::l" .. i .. ":: " end
  local sources = {
    table.concat(labels) .. ("goto l1 "):rep(30000),
    "while x do " .. ("break "):rep(32000) .. "end",
    "return a" .. (" or a"):rep(100000),
    "if a then" .. (" elseif a then"):rep(60000) .. " end",
    "::top:: " .. ("do goto top end "):rep(32000),
  }
  while true do
    for _, source in ipairs(sources) do load(source) end
  end
end
