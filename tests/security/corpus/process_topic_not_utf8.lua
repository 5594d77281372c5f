-- expect: error control character

return function(...)
  return process.send(process.pid(), "\xff\0", 1)
end
