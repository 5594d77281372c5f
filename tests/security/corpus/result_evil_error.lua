-- expect: error __tostring failed

return function(...)
  return nil, error(setmetatable({}, { __tostring = error }))
end
