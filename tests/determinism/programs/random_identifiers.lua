local function act(...) return funcs.call("app:act", ...) end

return function()
  act("ids", uuid.v4(), uuid.v1(), uuid.v7(), crypto.random.uuid(), crypto.random.string(20), base64.encode(crypto.random.bytes(8)))
end
