-- On first use of: json_marks null
-- What JSON has and Lua has not: null inside an array, and tables that say what they are when empty, "array" or "object".
return function(K)
  K.json_marks = K.raw.setmetatable({}, { __mode = "k" })
  K.null = K.class("null", {}, { __tostring = function() return "null" end }).new({})
end
