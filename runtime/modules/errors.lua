-- errors: see kernel/errors.lua.
return function(K) return K.errors end, "lasts"
