-- expect: harmless "no such function"

return function(...)
  error = function() return "pwned" end
  local _, err = funcs.call("no:such")
  return err and "no such function"
end
