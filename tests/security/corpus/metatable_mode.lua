-- expect: error depends on garbage collection

return function(...)
  setmetatable({}, { __mode = "k" })
end
