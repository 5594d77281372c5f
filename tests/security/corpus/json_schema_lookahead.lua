-- expect: error is not supported

return function(...)
  local ok, e = json.validate({ pattern = "(?=a)b" }, "a")
  error(e)
end
