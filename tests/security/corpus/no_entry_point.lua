-- expect: error must return a function

return 5
