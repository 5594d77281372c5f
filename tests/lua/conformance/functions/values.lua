-- methods: echo count kind_of text_of several returns_function nothing length bytes
-- modules: json
return {
  echo = function(...) return (...) end,
  count = function(...) return select("#", ...) end,
  kind_of = function(v) return math.type(v) or type(v) end,
  text_of = function(v) return json.encode(v) end,
  several = function() return "first", 2, 3 end,
  returns_function = function() return { callback = function() end } end,
  length = function(text) return #text end,
  bytes = function() return payload.bytes("\xff\xfe\0raw") end,
  nothing = function() end,
}
