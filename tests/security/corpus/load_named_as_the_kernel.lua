-- expect: error the kernel

return function(...)
  load("error('the kernel')", "=?")()
end
