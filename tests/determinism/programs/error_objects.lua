local function act(...) return funcs.call("app:act", ...) end

return function()
  local e = errors.wrap(errors.new({ message = "m", kind = "K", details = { z = 1, a = { c = 1, b = 2 } } }), "context")
  act("error", tostring(e), e:kind(), e:stack(), json.encode(e:details()))
end
