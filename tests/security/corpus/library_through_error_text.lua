-- expect: error library 'process' is read-only

return function(...)
  process.pid = 1
end
