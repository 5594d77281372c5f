-- expect: error bad argument #1 to 'rawset'

return function(...)
  rawset(errors.new("x"), "kind", function() end)
end
