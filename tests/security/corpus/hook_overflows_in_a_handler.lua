-- expect: budget

return function()
  local function down(n, f)
    if n == 0 then return f() end
    return setmetatable({}, { __index = function() return down(n - 1, f) end }).x
  end
  local function work() for _ = 1, 400 do end end
  for depth = 150, 210 do
    xpcall(down, function() while true do end end, depth, work)
  end
end
