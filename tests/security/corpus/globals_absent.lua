-- expect: harmless "nil nil nil nil nil nil nil nil nil"

return function(...)
  return table.concat({type(io), type(debug), type(package), type(dofile), type(loadfile), type(collectgarbage), type(python), type(newproxy), type(warn)}, " ")
end
