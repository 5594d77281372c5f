-- expect: harmless "\"\\0\\xff\""

return function(...)
  return (("%q"):format("\0"):gsub("\\0", "\\0\\xff"))
end
