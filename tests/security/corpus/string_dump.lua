-- expect: error attempt to call a nil value

return function(...)
  string.dump(function() end)
end
