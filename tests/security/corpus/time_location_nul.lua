-- expect: error

return function(...)
  local v, e = time.load_location("UTC\0x")
  error(e)
end
