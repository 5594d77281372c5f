-- expect: harmless 1048576

return function(...)
  local t = { [("k"):rep(1048576)] = 1 }
  return #next(t)
end
