-- expect: error oops

return function(...)
  load("error('oops')", "@\xff\0\n/etc/passwd")()
end
