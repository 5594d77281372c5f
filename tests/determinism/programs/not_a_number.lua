local function act(...) return funcs.call("app:act", ...) end

return function()
  act("nan", tostring(0 / 0), tostring(-(0 / 0)), ("%f %g"):format(0 / 0, -(0 / 0)), tostring(1 / 0), 0 / 0 ~= 0 / 0)
end
