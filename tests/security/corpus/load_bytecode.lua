-- expect: harmless [true,"attempt to load a binary chunk: only text is accepted"]

return function(...)
  local f, e = load("\27Lua\84\0", "x", "b")
  return { f == nil, e }
end
