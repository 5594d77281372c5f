-- expect: harmless true

return function(...)
  return json.decode(("1"):rep(10000)) == math.huge
end
