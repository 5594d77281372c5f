-- expect: harmless "table: 1 table: 1 function: 2 (null)"

return function(...)
  local t, f = {}, function() end
  return ("%s %p %p %p"):format(t, t, f, 1)
end
