-- expect: harmless ["nil","nil","nil"]

return function(...)
  return {type(_G.python), type(rawget(_G, "python")), type(_ENV.eval)}
end
