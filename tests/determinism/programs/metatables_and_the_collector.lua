local function act(...) return funcs.call("app:act", ...) end

-- A table that became weak would hold more or less, as the collector happens to run.
local function try(fn)
  local Class = {}
  local cache = setmetatable({}, Class)
  local ok, err = pcall(fn, Class, cache)
  for i = 1, 2000 do cache["k" .. i] = { i } end
  for _ = 1, 20000 do local _ = { {} } end
  local kept = 0
  for _ in pairs(cache) do kept = kept + 1 end
  act(ok, err, kept)
end

return function()
  try(function(Class) Class.__mode = "v" end)
  try(function(Class) rawset(Class, "__mode", "v") end)
  try(function(Class) Class.__gc = function() end end)
  try(function(Class) setmetatable(Class, { __index = table }) Class.__mode = "v" end)
  try(function(Class) setmetatable(Class, nil) Class.__mode = "v" end)
  try(function(Class) setmetatable(Class, { __newindex = function(t, k, v) rawset(t, k, v) end }) Class.__mode = "v" end)
  try(function(Class) local _ENV = Class __mode = "v" end)
  try(function(Class, cache) getmetatable(cache).__index = Class Class.name = "still a class" end)
end
