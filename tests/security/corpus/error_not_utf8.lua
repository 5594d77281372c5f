-- expect: error ?

return function(...)
  error("\xff\xfe")
end
