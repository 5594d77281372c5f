-- expect: error channel expected

return function(...)
  process.unlisten({})
end
