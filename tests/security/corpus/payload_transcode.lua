-- expect: error cannot transcode

return function(...)
  local v, e = payload.new(1):transcode("application/x-python-pickle")
  error(e)
end
