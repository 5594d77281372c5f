-- methods: sleeps
-- modules: time
return {
  sleeps = function() return time.sleep("1h") end,
}
