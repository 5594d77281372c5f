-- expect: error resulting string too large

return function(...)
  return table.concat({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, ("x"):rep(10000000))
end
