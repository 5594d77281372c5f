-- methods: main
return 5
