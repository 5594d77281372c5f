-- expect: budget

return function(...)
  local function f() return pcall(f) end
  while true do f() end
end
