-- expect: error time result cannot be represented

return function(...)
  return os.date("%Y", 1 << 60)
end
