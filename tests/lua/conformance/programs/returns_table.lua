-- methods: missing
return { main = function() end }
