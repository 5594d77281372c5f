-- The functions an expression has. `signatures` is for the parser: how many arguments, and which one is a predicate.
-- `functions` take the position of the call, then the arguments; a predicate is a function (item, index, acc).
return function(K)
  local fail = K.use("modules/expr/lexer").fail
  local values = K.use("modules/expr/values")
  local text = K.use("modules/expr/strings")
  local expect, plain, stored, type_of = values.expect, values.plain, values.stored, values.type
  local signatures, functions = {}, {}

  local function define(name, min, max, fn, predicate)
    signatures[name] = { min = min, max = max, predicate = predicate }
    functions[name] = fn
  end

  local function list_of(value, at, what) return expect(value, "array", at, what) end

  local function new_list()
    local out = {}
    K.json_marks[out] = "array"
    return out
  end

  -- Any value ------------------------------------------------------------------------------------------------------------

  define("len", 1, 1, function(at, value) return values.length(value, at, "len") end)
  define("type", 1, 1, function(_, value) return type_of(value) end)
  define("string", 1, 1, function(at, value) return values.text(value, at) end)
  define("get", 2, 2, function(at, object, key)
    if object == nil then return nil end
    local index = type(key) == "number" and math.tointeger(key)
    if type_of(object) == "array" and index and (index >= #object or index < -#object) then return nil end
    return values.fetch(object, key, at)
  end)

  -- Numbers --------------------------------------------------------------------------------------------------------------

  local function number(value, at, what) return expect(value, "number", at, what) end

  define("int", 1, 1, function(at, value)
    if type(value) == "string" then
      local digits = string.match(value, "^[+-]?%d+$")
      return digits and math.tointeger(tonumber(digits)) or fail(at, "int: not an integer: '%s'", value)
    end
    local whole = number(value, at, "int")
    whole = whole < 0 and math.ceil(whole) or math.floor(whole)
    return math.tointeger(whole) or fail(at, "int: %s is beyond 64 bits", K.tostring(value))
  end)
  define("float", 1, 1, function(at, value)
    if type(value) == "string" then
      local digits = string.find(value, "^[+-]?%d*%.?%d*[eE]?[+-]?%d*$") and tonumber(value)
      return digits and digits + 0.0 or fail(at, "float: not a number: '%s'", value)
    end
    return number(value, at, "float") + 0.0
  end)
  define("abs", 1, 1, function(at, value) return math.abs(number(value, at, "abs")) end)
  define("floor", 1, 1, function(at, value) return math.floor(number(value, at, "floor")) + 0.0 end)
  define("ceil", 1, 1, function(at, value) return math.ceil(number(value, at, "ceil")) + 0.0 end)
  define("round", 1, 1, function(at, value)
    local whole, fraction = math.modf(number(value, at, "round"))
    if fraction >= 0.5 then return whole + 1.0 end
    if fraction <= -0.5 then return whole - 1.0 end
    return whole + 0.0
  end)

  local function all_numbers(at, what, ...)
    local found = {}
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      if type_of(value) ~= "array" then value = { number(value, at, what) } end
      for _, item in ipairs(value) do found[#found + 1] = number(item, at, what) end
    end
    if #found == 0 then fail(at, "%s of nothing", what) end
    return found
  end
  local function chosen(what, better)
    define(what, 1, 255, function(at, ...)
      local best
      for _, value in ipairs(all_numbers(at, what, ...)) do
        if best == nil or better(value, best) then best = value end
      end
      return best
    end)
  end
  chosen("min", function(a, b) return a < b end)
  chosen("max", function(a, b) return a > b end)

  define("sum", 1, 2, function(at, list, of)
    local total = 0
    for i, item in ipairs(list_of(list, at, "sum")) do
      if of then item = of(plain(item), i - 1) end
      total = total + number(item, at, "sum")
    end
    return total
  end, 2)
  define("mean", 1, 1, function(at, list)
    local total = 0.0
    for _, item in ipairs(list_of(list, at, "mean")) do total = total + number(item, at, "mean") end
    return #list == 0 and 0.0 or total / #list
  end)

  -- Predicates -----------------------------------------------------------------------------------------------------------

  -- Calls `visit(item, index)` for the items the predicate holds for, until it answers true.
  local function each(at, what, list, test, visit)
    for i = 1, #list_of(list, at, what) do
      local item = plain(list[i])
      if expect(test(item, i - 1), "bool", at, what) and visit(item, i - 1) then return end
    end
  end
  local function count(at, what, list, test)
    local n = 0
    each(at, what, list, test, function() n = n + 1 end)
    return n
  end

  define("all", 2, 2, function(at, list, test) return count(at, "all", list, test) == #list end, 2)
  define("none", 2, 2, function(at, list, test) return count(at, "none", list, test) == 0 end, 2)
  define("one", 2, 2, function(at, list, test) return count(at, "one", list, test) == 1 end, 2)
  define("any", 2, 2, function(at, list, test)
    local found = false
    each(at, "any", list, test, function()
      found = true
      return true
    end)
    return found
  end, 2)
  define("count", 1, 2, function(at, list, test)
    return count(at, "count", list, test or function(item) return item end)
  end, 2)
  define("filter", 2, 2, function(at, list, test)
    local out = new_list()
    each(at, "filter", list, test, function(item) out[#out + 1] = stored(item) end)
    return out
  end, 2)
  define("find", 2, 2, function(at, list, test)
    local found
    each(at, "find", list, test, function(item)
      found = item
      return true
    end)
    return found
  end, 2)
  define("findIndex", 2, 2, function(at, list, test)
    local found
    each(at, "findIndex", list, test, function(_, index)
      found = index
      return true
    end)
    return found
  end, 2)
  define("map", 2, 2, function(at, list, fn)
    local out = new_list()
    for i = 1, #list_of(list, at, "map") do out[i] = stored(fn(plain(list[i]), i - 1)) end
    return out
  end, 2)
  define("reduce", 2, 3, function(at, list, fn, ...)
    local first, acc = 1, ...
    if select("#", ...) == 0 then first, acc = 2, plain(list_of(list, at, "reduce")[1]) end
    for i = first, #list_of(list, at, "reduce") do acc = fn(plain(list[i]), i - 1, acc) end
    return acc
  end, 2)
  define("groupBy", 2, 2, function(at, list, fn)
    local groups = K.object({})
    for i = 1, #list_of(list, at, "groupBy") do
      local key = values.text(fn(plain(list[i]), i - 1), at)
      groups[key] = groups[key] or new_list()
      groups[key][#groups[key] + 1] = list[i]
    end
    return groups
  end, 2)

  -- Lists and maps -------------------------------------------------------------------------------------------------------

  define("first", 1, 1, function(at, list) return list_of(list, at, "first")[1] end)
  define("last", 1, 1, function(at, list) return list_of(list, at, "last")[#list] end)
  define("take", 2, 2, function(at, list, n)
    if values.integer(n, at, "take") < 0 then fail(at, "take: %d is less than nothing", n) end
    return values.slice(list_of(list, at, "take"), 0, n, at)
  end)
  define("concat", 1, 255, function(at, ...)
    local out = new_list()
    for n = 1, select("#", ...) do
      local list = list_of((select(n, ...)), at, "concat")
      for i = 1, #list do out[#out + 1] = list[i] end
    end
    return out
  end)
  define("reverse", 1, 1, function(at, list)
    local out = new_list()
    for i = #list_of(list, at, "reverse"), 1, -1 do out[#out + 1] = list[i] end
    return out
  end)
  define("uniq", 1, 1, function(at, list)
    local out = new_list()
    for i = 1, #list_of(list, at, "uniq") do
      local known = false
      for k = 1, #out do known = known or values.equal(out[k], list[i], at) end
      if not known then out[#out + 1] = list[i] end
    end
    return out
  end)

  -- Stable: equal keys stay in their order.
  local function sorted(at, list, key_of, order)
    if order ~= nil and order ~= "asc" and order ~= "desc" then fail(at, "sort: the order is asc or desc") end
    local rows = {}
    for i = 1, #list do
      local key = key_of(plain(list[i]), i - 1)
      if key ~= key then fail(at, "sort: NaN has no place") end
      rows[i] = { key = key, at = i, item = list[i] }
    end
    local function before(a, b)
      if order == "desc" then return values.less(b.key, a.key, at, "sort") end
      return values.less(a.key, b.key, at, "sort")
    end
    table.sort(rows, function(a, b)
      if before(a, b) then return true end
      return not before(b, a) and a.at < b.at
    end)
    local out = new_list()
    for i, row in ipairs(rows) do out[i] = row.item end
    return out
  end
  define("sort", 1, 2, function(at, list, order)
    return sorted(at, list_of(list, at, "sort"), function(item) return item end, order)
  end)
  define("sortBy", 2, 3, function(at, list, key_of, order)
    return sorted(at, list_of(list, at, "sortBy"), key_of, order)
  end, 2)

  local function entries(name, pick)
    define(name, 1, 1, function(at, map)
      if K.raw.next(map or {}) ~= nil then expect(map, "map", at, name) end
      local out = new_list()
      for key, value in pairs(map or fail(at, "%s: nil is no map", name)) do out[#out + 1] = pick(key, value) end
      return out
    end)
  end
  entries("keys", function(key) return key end)
  entries("values", function(_, value) return value end)

  text.define(define)
  return { signatures = signatures, functions = functions }
end
