-- expect: error cannot wait here

return function(...)
  table.sort({ 3, 2, 1 }, function() time.sleep("1s") return true end)
end
