-- expect: budget

-- The compiler looks for every name among the locals and upvalues of all functions around it.
return function()
  local names = {}
  for i = 1, 190 do names[i] = "v" .. i end
  local list = table.concat(names, ", ")
  local heads = {}
  for i = 1, 150 do heads[i] = "local function f(" .. list .. ") " end
  local source = table.concat(heads) .. ("x=x "):rep(100000) .. ("end "):rep(150)
  while true do load(source) end
end
