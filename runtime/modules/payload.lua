-- payload: see kernel/values.lua.
return function(K) return K.payload end, "lasts"
