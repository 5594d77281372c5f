-- expect: error invalid conversion specifier

return function(...)
  return os.date("%Q")
end
