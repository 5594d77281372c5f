-- expect: budget

return function(...)
  ::again::
  goto again
end
