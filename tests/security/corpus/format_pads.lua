-- expect: harmless 99

return function(...)
  return #("%99d"):format(1)
end
