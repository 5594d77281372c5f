-- expect: harmless true
-- A table made weak after the fact would show when the collector runs.
return function(...)
  local Class, Derived = {}, setmetatable({}, { __index = string })
  local one, two = setmetatable({}, Class), setmetatable({}, Derived)
  local tries = {
    function() Class.__mode = "k" end,
    function() rawset(Class, "__mode", "k") end,
    function() Derived.__mode = "k" end,
    function() setmetatable(Class, nil) Class.__mode = "v" end,
    function() setmetatable(Class, { __newindex = rawset }) Class.__mode = "v" end,
    function() getmetatable(one).__gc = print end,
    function() local _ENV = Class __mode = "k" end,
  }
  for i, try in ipairs(tries) do assert(not pcall(try), i) end
  Class.method = function() return "works" end
  Class.__index = Class
  assert(one.method() == "works" and getmetatable(one) == Class and getmetatable(two) == Derived)
  return getmetatable(one).__mode == nil and rawget(Derived, "__mode") == nil
end
