-- expect: denied module '' is not listed

return function(...)
  require("")
end
