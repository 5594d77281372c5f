local function act(...) return funcs.call("app:act", ...) end

return function()
  local ok, e = pcall(function() error(errors.new("deep")) end)
  act("stack", e:stack())
  error(e)
end
