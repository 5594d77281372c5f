-- expect: error attempt to

return function(...)
  return 1 // 0
end
