-- expect: error is a function, which cannot leave the script

return function(...)
  return { f = print }
end
