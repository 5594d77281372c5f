-- expect: harmless [false,true]

return function(...)
  local ok, e = xpcall(error, function() error("again") end)
  return { ok, e ~= nil }
end
