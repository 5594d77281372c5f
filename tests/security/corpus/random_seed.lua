-- expect: error
-- on: workflow

return function(...)
  math.randomseed(1)
end
