-- expect: error nil

return function(...)
  error(nil)
end
