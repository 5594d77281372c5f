-- expect: error bad argument #1 to 'sort'

return function(...)
  table.sort(string)
end
