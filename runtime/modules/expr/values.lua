-- What values are to an expression: their types, equality, order, text, and what is inside them.
return function(K)
  local fail = K.use("modules/expr/lexer").fail
  local MAX_DEPTH = 128
  local values = {}

  -- A null in an array is nil to an expression.
  function values.plain(value)
    if value == K.null then return nil end
    return value
  end
  function values.stored(value)
    if value == nil then return K.null end
    return value
  end

  -- `type` calls objects of the API userdata. Lists are tables with an item 1, empty ones that are not marked as objects, and those marked as arrays.
  local function is_array(value)
    if type(value) ~= "table" or K.is_library(value) then return false end
    local mark = K.json_marks[value]
    if mark then return mark == "array" end
    return value[1] ~= nil or K.raw.next(value) == nil
  end
  values.is_array = is_array

  function values.type(value)
    local kind = type(value)
    if value == nil or value == K.null then return "nil" end
    if kind == "boolean" then return "bool" end
    if kind == "number" then return math.type(value) == "integer" and "int" or "float" end
    if kind == "function" then return "func" end
    if kind ~= "table" then return K.class_name(value) or kind end
    return is_array(value) and "array" or "map"
  end
  local type_of = values.type

  -- The type as messages have it: "nil", "an int", "a string".
  function values.described(value)
    local kind = type_of(value)
    if kind == "nil" then return kind end
    return (string.find(kind, "^[aeiou]") and "an " or "a ") .. kind
  end
  local described = values.described

  -- Arguments --------------------------------------------------------------------------------------------------------------

  local function expect(value, wanted, at, what)
    local kind = type_of(value)
    if kind == wanted or wanted == "number" and (kind == "int" or kind == "float") then return value end
    fail(at, "%s: %s where %s %s is needed", what, described(value), string.find(wanted, "^[aeiou]") and "an" or "a", wanted)
  end
  values.expect = expect

  function values.integer(value, at, what)
    local whole = type(value) == "number" and math.tointeger(value)
    if whole then return whole end
    fail(at, "%s: %s where an integer is needed", what, type(value) == "number" and K.tostring(value) or described(value))
  end

  -- Comparing --------------------------------------------------------------------------------------------------------------

  local function equal(a, b, at, depth)
    a, b = values.plain(a), values.plain(b)
    if a == b then return true end
    if type(a) ~= "table" or type(b) ~= "table" then return false end
    if depth > MAX_DEPTH then fail(at, "==: values nested deeper than %d, or in a cycle", MAX_DEPTH) end
    if K.raw.next(a) == nil and K.raw.next(b) == nil and not (K.json_marks[a] and K.json_marks[b]) then return true end
    if is_array(a) ~= is_array(b) then return false end
    if is_array(a) then
      if #a ~= #b then return false end
      for i = 1, #a do
        if not equal(a[i], b[i], at, depth + 1) then return false end
      end
      return true
    end
    for key, value in pairs(a) do
      if not equal(value, b[key], at, depth + 1) then return false end
    end
    for key in pairs(b) do
      if a[key] == nil then return false end
    end
    return true
  end
  function values.equal(a, b, at) return equal(a, b, at, 0) end

  local function comparable(a, b)
    local kind, other = type_of(a), type_of(b)
    if type(a) == "number" and type(b) == "number" then return true end
    return kind == other and (kind == "string" or kind == "Time" or kind == "Duration")
  end

  function values.less(a, b, at, what)
    if not comparable(a, b) then fail(at, "%s: cannot compare %s and %s", what, described(a), described(b)) end
    return a < b
  end

  -- Text -------------------------------------------------------------------------------------------------------------------

  local function float_text(value)
    if value ~= value then return "NaN" end
    if value == math.huge then return "+Inf" end
    if value == -math.huge then return "-Inf" end
    if value == math.floor(value) and math.abs(value) < 1e21 then return string.format("%.0f", value) end
    for digits = 15, 17 do
      local text = string.format("%." .. digits .. "g", value)
      if tonumber(text) == value then return text end
    end
  end

  function values.text(value, at)
    local kind = type_of(value)
    if kind == "nil" then return "nil" end
    if kind == "float" then return float_text(value) end
    if kind ~= "array" and kind ~= "map" then return K.tostring(value) end
    local text, problem = K.json_encode(value)
    return text or fail(at, "string: %s", problem)
  end

  -- Strings are sequences of characters; bytes that are no UTF-8 count one each.
  function values.length(value, at, what)
    local kind = type_of(value)
    if kind == "string" then return utf8.len(value) or #value end
    if kind == "array" then return #value end
    if kind ~= "map" then fail(at, "%s: %s has no length", what, described(value)) end
    local count = 0
    for _ in pairs(value) do count = count + 1 end
    return count
  end

  -- Characters from..to, both counted from 1.
  local function characters(text, from, to)
    if from > to then return "" end
    if not utf8.len(text) then return string.sub(text, from, to) end
    return string.sub(text, utf8.offset(text, from), utf8.offset(text, to + 1) - 1)
  end

  -- Inside values ----------------------------------------------------------------------------------------------------------

  local function item(object, key, at)
    local index = values.integer(key, at, "index")
    local length = values.length(object, at, "index")
    local position = index < 0 and length + index or index
    if position < 0 or position >= length then
      fail(at, "index %d is outside 0..%d", index, length - 1)
    end
    if type(object) == "string" then return characters(object, position + 1, position + 1) end
    return values.plain(object[position + 1])
  end

  -- The member or item `key`; nil when a map has none.
  function values.fetch(object, key, at)
    local kind = type_of(object)
    if kind == "map" or kind == "array" and (type(key) == "string" or #object == 0 and key ~= nil) then
      if key == nil then return nil end
      local value = values.plain(object[key])
      if value == nil and kind == "array" and #object > 0 then fail(at, "an array has no member '%s'", key) end
      if value ~= nil or kind == "map" or type(key) == "string" then return value end
    end
    if kind == "array" or kind == "string" and type(key) == "number" then return item(object, key, at) end
    fail(at, "cannot get '%s' of %s", K.tostring(key), described(object))
  end

  local function bound(value, default, length, at)
    if value == nil then return default end
    local index = values.integer(value, at, "slice")
    if index < 0 then index = length + index end
    return math.max(0, math.min(index, length))
  end

  -- [from:to], counted from 0, without `to`; negative ones count from the end.
  function values.slice(object, from, to, at)
    local kind = type_of(object)
    if kind ~= "array" and kind ~= "string" then fail(at, "%s has no slices", described(object)) end
    local length = values.length(object, at, "slice")
    local first, last = bound(from, 0, length, at), bound(to, length, length, at)
    if kind == "string" then return characters(object, first + 1, last) end
    local out = {}
    for i = first + 1, last do out[#out + 1] = object[i] end
    K.json_marks[out] = "array"
    return out
  end

  return values
end
