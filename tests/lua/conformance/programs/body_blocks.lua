-- methods: main
-- modules: time
time.sleep("1ms")
return function() end
