-- print: one info line, values separated by tabs.
return function(K)
  return function(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = K.tostring((select(i, ...))) end
    K.log("info", table.concat(parts, "\t"), {}, "print")
  end
end, "lasts"
