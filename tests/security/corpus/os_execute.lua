-- expect: error attempt to call a nil value

return function(...)
  os.execute("id")
end
