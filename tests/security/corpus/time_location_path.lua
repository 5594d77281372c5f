-- expect: error

return function(...)
  local v, e = time.load_location("../../etc/passwd")
  error(e)
end
