-- channel: see kernel/channel.lua.
return function(K) return K.channel_module end, "lasts"
