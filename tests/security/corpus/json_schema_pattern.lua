-- expect: error (a+)+

return function(...)
  local ok, e = json.validate({ pattern = "^(a+)+$" }, ("a"):rep(100) .. "b")
  error(e)
end
