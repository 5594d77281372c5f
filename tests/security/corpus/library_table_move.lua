-- expect: error bad argument #1 to 'move'

return function(...)
  table.move({ 1, 2 }, 1, 2, 1, string)
end
