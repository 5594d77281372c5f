-- expect: error bad argument #1 to 'insert'

return function(...)
  table.insert(table, 1)
end
