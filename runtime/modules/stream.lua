-- stream: nothing of its own yet. It may be listed where the streams of requests and responses are used, which need no module.
return function(K)
  local stream = {}
  for _, name in ipairs({ "publish", "subscribe" }) do
    stream[name] = function() return K.invalid("stream.%s is not supported yet", name) end
  end
  return stream
end, "lasts"
