-- expect: error too many results to unpack

return function(...)
  return table.unpack({}, 1, 1e8)
end
