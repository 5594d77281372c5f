local function act(...) return funcs.call("app:act", ...) end

return function()
  for i = 1, 20 do act("random", math.random(1000), math.random(-5, 5), math.random()) end
end
