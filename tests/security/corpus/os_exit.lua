-- expect: error attempt to call a nil value

return function(...)
  os.exit(1)
end
