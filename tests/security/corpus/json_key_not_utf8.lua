-- expect: error not valid UTF-8

return function(...)
  return { ["\xff"] = 1 }
end
