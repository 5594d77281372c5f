-- expect: harmless true

return function(...)
  ctx.all().tenant = "other"
  return ctx.get("tenant") == nil
end
