-- expect: error bad argument #1 to 'rawset'

return function(...)
  rawset(string, "format", print)
end
