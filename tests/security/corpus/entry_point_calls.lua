-- expect: error the body of a file cannot

funcs.call("no:such")
return function() end
