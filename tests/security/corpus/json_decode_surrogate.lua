-- expect: harmless "\ufffd"

return function(...)
  return json.decode("\"\\ud800\"")
end
