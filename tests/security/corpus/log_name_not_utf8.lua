-- expect: harmless "said"

return function(...)
  logger:named("\xff\0"):info("\xff")
  return "said"
end
