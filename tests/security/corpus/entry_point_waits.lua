-- expect: error the body of a file cannot

time.sleep("1s")
return function() end
