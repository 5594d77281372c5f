-- expect: error attempt to compare

return function(...)
  table.sort({ 1, "a", {}, true })
end
