-- On first use of: json_marks null object
-- What JSON has and Lua has not: null inside an array, and tables that say what they are when empty, "array" or "object".
return function(K)
  local marks = K.raw.setmetatable({}, { __mode = "k" })
  K.json_marks = marks
  K.null = K.class("null", {}, { __tostring = function() return "null" end }).new({})

  function K.object(t)
    marks[t] = "object"
    return t
  end
end, "lasts"
