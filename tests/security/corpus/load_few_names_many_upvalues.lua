-- expect: budget

-- Short enough to be harmless by its size: a few locals are upvalues of every function around the innermost.
return function()
  local names = {}
  for i = 1, 150 do names[i] = string.char(97 + i % 26) .. i end
  local list = table.concat(names, ",")
  local source = "local " .. list .. " " .. ("local function f() "):rep(150) .. "local t={" .. list .. "}" .. (" x=x"):rep(1000)
    .. (" end"):rep(150)
  while true do load(source) end
end
