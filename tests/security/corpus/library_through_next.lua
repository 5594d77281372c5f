-- expect: harmless true

return function(...)
  return next(string) == nil and next(process) == nil
end
