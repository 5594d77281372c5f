-- expect: error the format is longer than

return function(...)
  while true do os.date(("%c"):rep(1000000)) end
end
