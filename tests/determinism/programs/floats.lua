local function act(...) return funcs.call("app:act", ...) end

return function()
  for _, x in ipairs({ 0.1, 1 / 3, 1e15, 1e16, 123456789012345.6, 2^63, -2^63, 5e-324, 1.7976931348623157e308, 3.0, -0.0 }) do
    act("float", x, tostring(x), ("%.14g %g %5.2f %e"):format(x, x, x, x))
  end
end
