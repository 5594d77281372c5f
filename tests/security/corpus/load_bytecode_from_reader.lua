-- expect: error attempt to load a binary chunk

return function(...)
  local parts = { "\27", "Lua", "\84" }
  local i = 0
  error((select(2, load(function() i = i + 1 return parts[i] end))))
end
