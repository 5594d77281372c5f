-- expect: error no budget line

return function(...)
  load("error('no budget line')", "=kernel/main")()
end
