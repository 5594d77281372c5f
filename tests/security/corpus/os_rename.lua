-- expect: error attempt to call a nil value

return function(...)
  os.rename("/etc/passwd", "/tmp/x")
end
