-- expect: error overflow

return function(...)
  error((select(2, load("return " .. ("("):rep(100000)))))
end
