-- expect: error attempt to call a nil value

return function(...)
  return os.getenv("HOME")
end
