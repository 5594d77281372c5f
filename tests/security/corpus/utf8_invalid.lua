-- expect: harmless [null,1]

return function(...)
  local n, at = utf8.len("\xff")
  return { n or json.null, at }
end
